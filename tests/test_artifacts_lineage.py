"""Lineage both ways, and giving up what nothing needs."""

import time

import pytest

from components.common.artifacts import digest_of, garbage_collection, open_store
from components.common.artifacts.garbage_collection import collect, give_up
from components.common.artifacts.lineage import lineage
from components.common.base.errors import Refusal
from tests.artifact_stores import (
    any_real_url,  # noqa: F401 - a fixture, as are the next three
    any_url,  # noqa: F401
    ended,
    keys,
    minio_server,  # noqa: F401
    moto_server,  # noqa: F401
    started,
    write,
)

DAY = 86400


def chain(store, folder):
    """A raw table, a clean one, its split, two models, and a model of another raw table."""
    raw = store.put("raw", write(folder / "raw", "raw"), metadata={"source": "https://example.org/raw.csv"})
    clean = store.put("clean", write(folder / "clean", "clean"), inputs=[raw.digest], made_by={"run": "r1"})
    train = store.put("train", write(folder / "train", "train"), inputs=[clean.digest])
    for number in range(2):
        write(folder / f"model{number}" / "MLmodel", str(number))
        store.put("model", folder / f"model{number}", inputs=["train:latest"], made_by={"run": f"r{number}"})
    other = store.put("raw", write(folder / "raw", "other"))
    store.put("other", write(folder / "other", "x"), inputs=[other.digest])
    return train


def test_lineage_leads_from_a_model_to_the_source_and_back(url, tmp_path):
    store = open_store(url)
    chain(store, tmp_path)
    up = lineage(store, "model:v1")
    assert list(up.nodes) == ["model:v1", "train:v0", "clean:v0", "raw:v0", "https://example.org/raw.csv"]
    assert up.parents["clean:v0"] == ["raw:v0"]
    assert up.nodes["clean:v0"].version.made_by == {"run": "r1"}
    down = lineage(store, "raw:v0", "down")
    assert set(down.nodes) == {"raw:v0", "clean:v0", "train:v0", "model:v0", "model:v1"}
    assert down.next["train:v0"] == ["model:v0", "model:v1"]


def test_an_input_that_is_no_artifact_is_told(tmp_path):
    store = open_store(tmp_path / "store")
    store.put("model", write(tmp_path / "m", "m"), inputs=["0" * 64])
    assert list(lineage(store, "model").nodes) == ["model:v0", f"sha256:{'0' * 64}"]


def test_a_step_that_leaves_a_table_as_it_is_makes_no_circle(tmp_path):
    store = open_store(tmp_path / "store")
    same = write(tmp_path / "t", "the same")
    raw = store.put("raw", same)
    store.put("clean", same, inputs=[raw.digest])
    store.put("cleaner", same, inputs=[raw.digest])
    store.put("model", write(tmp_path / "m", "m"), inputs=[raw.digest])
    assert list(lineage(store, "cleaner").nodes) == ["cleaner:v0", "clean:v0", "raw:v0"]
    assert lineage(store, "model").parents["model:v0"] == ["cleaner:v0"]
    assert set(lineage(store, "raw", "down").nodes) == {"raw:v0", "clean:v0", "cleaner:v0", "model:v0"}


def test_tables_that_were_made_from_each_other_in_turn_end(tmp_path):
    store = open_store(tmp_path / "store")
    one, two = write(tmp_path / "1", "one"), write(tmp_path / "2", "two")
    store.put("a", one, inputs=[digest_of(two)])
    store.put("b", two, inputs=[digest_of(one)])
    assert set(lineage(store, "a").nodes) == {"a:v0", "b:v0"}


def test_equal_bytes_made_from_other_inputs_keep_both_lineages(url, tmp_path):
    store = open_store(url)
    raw = [store.put("raw", write(tmp_path / "raw", text)) for text in ("one", "two")]
    clean = write(tmp_path / "clean", "the same")
    for number in (0, 1, 1):
        store.put("clean", clean, inputs=[raw[number].digest], made_by={"run": f"r{number}"})
    version = open_store(url).resolve("clean")
    assert version.number == 0 and [making.made_by["run"] for making in (version.first, *version.more)] == ["r0", "r1"]
    assert set(lineage(store, "clean").nodes) == {"clean:v0", "raw:v0", "raw:v1"}
    assert set(lineage(store, "raw:v1", "down").nodes) == {"raw:v1", "clean:v0"}


# --- giving up


def test_gc_keeps_what_an_alias_or_a_lineage_needs(url, tmp_path):
    store = open_store(url)
    chain(store, tmp_path)
    for text in ("three", "four"):
        store.put("raw", write(tmp_path / "raw", text))
    store.put("clean", write(tmp_path / "clean", "cleaner"))
    store.alias("model", "prod", "v0")
    write(tmp_path / "model0" / "MLmodel", "newest")
    store.put("model", tmp_path / "model0")
    before = keys(store)
    at = time.time() + 10 * DAY
    dry = collect(store, 7 * DAY, dry_run=True, at=at)
    assert keys(store) == before
    done = collect(store, 7 * DAY, at=at)
    # raw:v1 is what other:latest came of; raw:v2 is nothing's. model:v1 has no alias.
    assert [one.ref for one in done.versions] == [one.ref for one in dry.versions] == ["model:v1", "raw:v2"]
    assert len(done.keys) == 3 and done.bytes == dry.bytes > 0
    for ref in ("model:prod", "train:v0", "clean:v0", "raw:v0", "raw:v1", "raw:v3"):
        store.get(ref, tmp_path / f"back-{ref.replace(':', '-')}")
    with pytest.raises(Refusal, match=r"raw:v2 was removed on \d{4}-"):
        store.resolve("raw:v2")
    assert [one.ref for one in store.versions("raw")] == ["raw:v0", "raw:v1", "raw:v3"]
    assert collect(store, 7 * DAY, at=at).versions == []


def test_gc_leaves_what_is_young(url, tmp_path):
    store = open_store(url)
    for text in ("one", "two"):
        store.put("t", write(tmp_path / "t", text))
    assert collect(store, 7 * DAY).versions == []
    assert [one.ref for one in collect(store, 0).versions] == ["t:v0"]


def test_numbers_of_removed_versions_are_not_given_again(url, tmp_path):
    store = open_store(url)
    for text in ("one", "two", "one"):
        store.put("t", write(tmp_path / "t", text))
    give_up(store, "t:v1", who="ana")
    again = store.put("t", write(tmp_path / "t", "two"))
    assert again.ref == "t:v2" and again.new
    assert store.ledger("t").versions[1].removed["who"] == "ana"


def test_a_version_that_is_needed_is_not_given_up(tmp_path):
    store = open_store(tmp_path / "store")
    chain(store, tmp_path)
    store.alias("model", "prod", "v0")
    with pytest.raises(Refusal, match="model:v0 is prod"):
        give_up(store, "model:v0")
    with pytest.raises(Refusal, match="was made from raw:v0"):
        give_up(store, "raw:v0")
    with pytest.raises(Refusal, match="no version v9"):
        give_up(store, "raw:v9")


WRITES = """
import random, sys, time
from components.common.artifacts import objects, open_store
objects._YOUNG_SECONDS = 0
from components.common.base.errors import Refusal
url, folder, seed, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
store, choose, end, done = open_store(url), random.Random(seed), time.time() + seconds, 0
while time.time() < end:
    name = choose.choice(["file", "folder"])
    version = store.put(name, f"{folder}/{name}{choose.randrange(60)}")
    if choose.random() < 0.3:
        try:
            store.alias(name, "prod", version.ref)
        except Refusal as refusal:
            assert "was removed" in str(refusal), refusal
    done += 1
print(done)
"""


@pytest.mark.run
def test_gc_beside_writers_takes_nothing_that_is_in_use(real_url, tmp_path, monkeypatch):
    monkeypatch.setattr(garbage_collection, "SPARED_SECONDS", 1.0)
    for number in range(60):
        write(tmp_path / "in" / f"file{number}", f"content {number}")
        for part in range(3):
            write(tmp_path / "in" / f"folder{number}" / str(part), f"{number % 3} {part} {number if part == 2 else 0}")
    writers = [started(WRITES, real_url, tmp_path / "in", seed, 8) for seed in range(3)]
    store, end, gone, freed = open_store(real_url), time.time() + 8, 0, 0
    while time.time() < end:
        done = collect(store, 0)
        gone, freed = gone + len(done.versions), freed + len(done.keys)
    assert all(int(ended(writer)) > 5 for writer in writers) and gone > 3 and freed > 0
    for name in store.names():
        ledger = store.ledger(name)
        for version in ledger.present:
            store.get(version.ref, tmp_path / "out" / version.ref.replace(":", "-"))
        assert not any(ledger.versions[number].removed for number in store.aliases(name).values())
        assert len({version.digest for version in ledger.present}) == len(ledger.present)
