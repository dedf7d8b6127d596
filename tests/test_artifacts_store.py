"""The artifact store: the same behaviour in a folder and in a bucket."""

import hashlib
import json
import os
import random
from pathlib import Path

import pytest

from components.common.artifacts import default_url, digest_of, open_store, parse_ref
from components.common.base.errors import Refusal
from components.common.sources import open_bytes, parse, resolve
from components.common.tracking.step import stamp
from tabpipe.project import home
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
from tests.conftest import fruit


def table(path, change=lambda frame: frame):
    from components.common.tables.parquet import write_table

    write_table(change(fruit()), path)
    return path


# --- versions


def test_equal_data_make_one_version_and_a_changed_row_a_second(url, tmp_path):
    store = open_store(url)
    first = store.put("fruit", table(tmp_path / "a.parquet"), metadata={"rows": 120})
    again = store.put("fruit", table(tmp_path / "b.parquet"))
    assert (first.ref, first.new, again.ref, again.new) == ("fruit:v0", True, "fruit:v0", False)
    assert again.metadata == {"rows": 120}

    def heavier(frame):
        frame.loc[3, "weight"] += 1
        return frame

    second = store.put("fruit", table(tmp_path / "c.parquet", heavier))
    assert (second.ref, second.new) == ("fruit:v1", True)
    assert [version.ref for version in open_store(url).versions("fruit")] == ["fruit:v0", "fruit:v1"]
    assert len(keys(store, "objects/")) == 2


def test_latest_follows_each_put_back_to_earlier_bytes_too(url, tmp_path):
    store = open_store(url)
    for text, latest in [("one", 0), ("two", 1), ("two", 1), ("one", 0), ("three", 2)]:
        store.put("t", write(tmp_path / "t", text))
        assert store.aliases("t") == {"latest": latest}
    assert [move.after for move in store.history("t", "latest")] == [0, 1, 0, 2]


def test_a_version_comes_back_as_it_was_put(url, tmp_path):
    store = open_store(url)
    file = table(tmp_path / "fruit.parquet")
    folder = tmp_path / "model"
    write(folder / "MLmodel", "flavor: x")
    write(folder / "data" / "ünd so", "weights")
    made_by = {"run": "r1", "step": "train", "commit": "abc", "image": "i", "use_case": "fruit"}
    store.put("fruit", file, metadata={"source": "https://example.org/f.csv", "rows": 120}, made_by=made_by)
    store.put("model", folder, inputs=["fruit:latest"])
    version = open_store(url).resolve("fruit")
    assert version.digest == hashlib.sha256(file.read_bytes()).hexdigest() == digest_of(file)
    assert (version.bytes, version.files, version.filename, version.kind) == (
        file.stat().st_size,
        1,
        "fruit.parquet",
        "file",
    )
    assert version.made_by == made_by and version.source == "https://example.org/f.csv"
    assert version.created[-1] == "Z"
    (tmp_path / "out").mkdir()
    assert store.get("fruit:v0", tmp_path / "out") == tmp_path / "out" / "fruit.parquet"
    assert (tmp_path / "out" / "fruit.parquet").read_bytes() == file.read_bytes()
    store.get("model:latest", tmp_path / "back")
    assert digest_of(tmp_path / "back") == digest_of(folder) == store.resolve("model").digest
    assert (tmp_path / "back" / "data" / "ünd so").read_text() == "weights"
    assert store.files(store.resolve("model"))["MLmodel"] == (digest_of(folder / "MLmodel"), 9)


def test_a_large_file_goes_in_parts_and_comes_back(url, tmp_path):
    from components.common.storage.multipart import PART

    path = tmp_path / "large"
    path.write_bytes(random.Random(0).randbytes(2 * PART + 12345))
    heard = []
    store = open_store(url)
    store.put("large", path, progress=lambda done, whole: heard.append((done, whole)))
    assert heard[-1] == (path.stat().st_size,) * 2
    assert store.get("large", tmp_path / "back").read_bytes() == path.read_bytes()


def test_unchanged_bytes_are_not_sent_again(url, tmp_path):
    store, heard = open_store(url), []
    path = write(tmp_path / "t", "x" * 1000)
    store.put("one", path)
    [(key, modified)] = [(found.key, found.modified) for found in store.place.keys("objects/")]
    store.put("two", path, progress=lambda done, whole: heard.append(done))
    store.put("one", path, progress=lambda done, whole: heard.append(done))
    assert heard == []
    assert [(found.key, found.modified) for found in store.place.keys("objects/")] == [(key, modified)]


def test_a_file_that_was_brought_out_can_be_written_without_harm_to_the_store(tmp_path):
    store = open_store(tmp_path / "store")
    store.put("t", write(tmp_path / "t", "as it was"))
    out = store.get("t", tmp_path / "out")
    with open(out, "r+") as file:
        file.write("other")
    assert store.get("t", tmp_path / "again").read_text() == "as it was"
    [stored] = (tmp_path / "store" / "objects").rglob("*/*/*")
    assert stored.stat().st_nlink == 1 and not stored.stat().st_mode & 0o222


def test_what_is_in_place_of_a_folder_is_not_written_over(url, tmp_path):
    store = open_store(url)
    write(tmp_path / "m" / "a", "new")
    store.put("m", tmp_path / "m")
    write(tmp_path / "there" / "mine", "precious")
    with pytest.raises(Refusal, match="there is something already"):
        store.get("m", tmp_path / "there")
    assert os.listdir(tmp_path / "there") == ["mine"]
    (tmp_path / "empty").mkdir()
    assert (store.get("m", tmp_path / "empty") / "a").read_text() == "new"


# --- references


def test_a_version_is_found_by_alias_number_and_digest(url, tmp_path):
    store = open_store(url)
    version = store.put("t", write(tmp_path / "t", "one"))
    store.put("t", write(tmp_path / "t", "two"))
    store.alias("t", "prod", "v0")
    for ref in ("t:prod", "t:v0", f"t:{version.digest}", f"t:{version.digest[:6]}", "artifact://t:prod"):
        assert store.resolve(ref).ref == "t:v0", ref
    assert store.resolve("t").ref == "t:v1"
    assert [found.ref for found in store.find(version.digest)] == ["t:v0"]


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        pytest.param("musik", ["no artifact musik", "did you mean 'music'?"], id="name"),
        pytest.param("music:prd", ["no alias 'prd'", "did you mean 'prod'?", "v0 to v1"], id="alias"),
        pytest.param("music:v7", ["no version v7", "v0 to v1"], id="number"),
        pytest.param("music:abcdef1", ["no version with the digest abcdef1"], id="digest"),
        pytest.param("a/b:prod", ["not a name", "a/b", "for instance a_b"], id="slash"),
        pytest.param("..", ["not a name", "without .."], id="dots"),
        pytest.param("a..b", ["not a name"], id="dots-within"),
        pytest.param("-x", ["not a name"], id="dash"),
        pytest.param("", ["not a name"], id="empty"),
        pytest.param("music\n", ["not a name"], id="newline"),
        pytest.param("x" * 129, ["not a name", "at most 128"], id="long"),
        pytest.param("music:", ["not a version", "music:v0"], id="nothing-after-the-colon"),
        pytest.param("music:../../secret", ["not a version"], id="alias-dots"),
    ],
)
def test_a_reference_that_means_nothing_is_refused(tmp_path, ref, words):
    store = open_store(tmp_path / "store")
    for text in ("one", "two"):
        store.put("music", write(tmp_path / "t", text))
    store.alias("music", "prod", "music:v0")
    with pytest.raises(Refusal) as caught:
        store.resolve(ref)
    for word in words:
        assert word in str(caught.value)


def test_digits_that_fit_several_digests_are_refused(tmp_path):
    store = open_store(tmp_path / "store")
    digests: dict[str, str] = {}
    number = 0
    while True:  # until two digests begin with the same six digits: a birthday among 16^6 takes some 5000
        text = f"text {number}"
        start = hashlib.sha256(text.encode()).hexdigest()[:6]
        if start in digests:
            break
        digests[start], number = text, number + 1
    for text in (digests[start], f"text {number}"):
        store.put("t", write(tmp_path / "t", text))
    with pytest.raises(Refusal, match="several versions"):
        store.resolve(f"t:{start}")


@pytest.mark.parametrize("alias", ["latest", "v1", "v01", "abcdef", "deadbeef", "a/b", "..", "", "x" * 65])
def test_reserved_and_malformed_aliases_are_refused(tmp_path, alias):
    store = open_store(tmp_path / "store")
    store.put("t", write(tmp_path / "t", "one"))
    with pytest.raises(Refusal, match=r"reserved|not an alias"):
        store.alias("t", alias, "t:v0")


# --- aliases


def test_moves_of_an_alias_are_on_record(url, tmp_path):
    store = open_store(url)
    for text in ("one", "two"):
        store.put("t", write(tmp_path / "t", text))
    store.alias("t", "prod", "v0", who="ana", why={"auc": 0.9})
    store.alias("t", "prod", "v0", who="ben")
    store.alias("t", "prod", "t:latest", who="run-7", expected="v0", why={"auc": 0.95})
    store.unalias("t", "prod", who="ana", expected="v1")
    moves = open_store(url).history("t", "prod")
    assert [(move.before, move.after, move.who, dict(move.why)) for move in moves] == [
        (None, 0, "ana", {"auc": 0.9}),
        (0, 1, "run-7", {"auc": 0.95}),
        (1, None, "ana", {}),
    ]
    assert store.aliases("t") == {"latest": 1}
    with pytest.raises(Refusal, match="no alias 'prod'"):
        store.resolve("t:prod")
    store.alias("t", "prod", "v0", expected="")
    assert store.aliases("t")["prod"] == 0


def test_an_alias_that_points_elsewhere_than_expected_is_left_alone(url, tmp_path):
    store = open_store(url)
    for text in ("one", "two", "three"):
        store.put("t", write(tmp_path / "t", text))
    store.alias("t", "prod", "v0")
    for expected in ("v1", ""):
        with pytest.raises(Refusal, match="points to v0 by now"):
            store.alias("t", "prod", "v2", expected=expected)
    assert store.aliases("t")["prod"] == 0 and len(store.history("t", "prod")) == 1


def test_an_alias_points_to_a_version_of_its_own_name(tmp_path):
    store = open_store(tmp_path / "store")
    store.put("t", write(tmp_path / "t", "one"))
    store.put("u", write(tmp_path / "t", "one"))
    with pytest.raises(Refusal, match="own name"):
        store.alias("t", "prod", "u:v0")


MOVE = """
import sys
from components.common.artifacts import open_store
from components.common.base.errors import Refusal
store = open_store(sys.argv[1])
store.resolve("t")
print("ready", flush=True)
try:
    store.alias("t", "champion", sys.argv[2], expected="v0")
    print("moved")
except Refusal as refusal:
    print("refused" if "somebody has moved it" in str(refusal) else refusal)
"""


def test_of_two_who_move_an_alias_at_once_one_wins(real_url, tmp_path):
    store = open_store(real_url)
    for number in range(7):
        store.put("t", write(tmp_path / "t", str(number)))
    store.alias("t", "champion", "v0")
    movers = [started(MOVE, real_url, f"v{number}") for number in range(1, 7)]
    said = [ended(mover).split() for mover in movers]
    assert sorted(words[1] for words in said) == ["moved", *["refused"] * 5]
    winner = 1 + [words[1] for words in said].index("moved")
    assert [(move.before, move.after) for move in store.history("t", "champion")] == [(None, 0), (0, winner)]


# --- many at once

PUTS = """
import json, random, sys
from components.common.artifacts import open_store
store, order = open_store(sys.argv[1]), list(range(50))
random.Random(int(sys.argv[3])).shuffle(order)
done = {}
for number in order:
    version = store.put("hot", f"{sys.argv[2]}/{number}")
    done[number] = [version.number, version.digest, version.new]
print(json.dumps(done))
"""


def test_eight_processes_that_write_the_same_fifty_contents_make_fifty_versions(real_url, tmp_path):
    for number in range(50):
        write(tmp_path / "contents" / str(number), f"content {number}")
    writers = [started(PUTS, real_url, tmp_path / "contents", seed) for seed in range(8)]
    told = [json.loads(ended(writer)) for writer in writers]
    versions = open_store(real_url).versions("hot")
    assert [version.number for version in versions] == list(range(50))
    assert {version.digest for version in versions} == {
        hashlib.sha256(f"content {number}".encode()).hexdigest() for number in range(50)
    }
    for done in told:
        for number, (version, digest, _) in done.items():
            assert versions[version].digest == digest == hashlib.sha256(f"content {number}".encode()).hexdigest()
    assert sum(new for done in told for _, _, new in done.values()) == 50


def test_new_versions_put_at_once_leave_the_last_one_as_latest(real_url, tmp_path):
    code = PUTS.replace("range(50)", "range(int(sys.argv[3]) * 10, int(sys.argv[3]) * 10 + 10)")
    for number in range(40):
        write(tmp_path / "contents" / str(number), f"content {number}")
    for writer in [started(code, real_url, tmp_path / "contents", seed) for seed in range(4)]:
        ended(writer)
    store = open_store(real_url)
    assert [version.number for version in store.versions("hot")] == list(range(40))
    assert store.aliases("hot") == {"latest": 39}
    moves = store.history("hot", "latest")
    assert [move.before for move in moves[1:]] == [move.after for move in moves[:-1]]


def test_of_the_moves_of_latest_the_newest_are_kept(url, tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.artifacts.aliases._LATEST_KEPT", 5)
    store = open_store(url)
    for number in range(13):
        store.put("t", write(tmp_path / "t", str(number)))
    assert [move.after for move in store.history("t", "latest")] == [5, 6, 7, 8, 9, 10, 11, 12]
    assert store.resolve("t").number == 12


# --- as a source


def test_an_artifact_is_a_source(url, tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_ARTIFACTS", url)
    store = open_store()
    version = store.put("fruit", table(tmp_path / "fruit.parquet"))
    store.alias("fruit", "prod", "v0")
    store.put("fruit", write(tmp_path / "other.csv", "a,b\n1,2\n"))
    address = parse("artifact://fruit:prod")
    assert (address.kind, address.shown) == ("artifact", "artifact://fruit:prod")
    found = resolve("artifact://fruit:prod", tmp_path / "sources")
    assert found.checksum == version.digest and not (tmp_path / "sources").exists()
    with open_bytes("artifact://fruit:prod", tmp_path / "scratch", store=tmp_path / "sources") as opened:
        assert opened.path.read_bytes() == (tmp_path / "fruit.parquet").read_bytes()
        assert (opened.checksum, opened.name) == (version.digest, "fruit.parquet")
    assert not any((tmp_path / "scratch").iterdir()) if (tmp_path / "scratch").exists() else True


def test_a_source_is_read_as_it_was_resolved_although_its_alias_moved(url, tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_ARTIFACTS", url)
    store = open_store()
    store.put("t", write(tmp_path / "t.csv", "a\n1\n"))
    checksum = resolve("artifact://t:latest", tmp_path / "sources").checksum
    store.put("t", write(tmp_path / "t.csv", "a\n2\n"))
    with open_bytes("artifact://t:latest", tmp_path / "scratch", checksum=checksum) as opened:
        assert opened.path.read_text() == "a\n1\n"
    with open_bytes("artifact://t", tmp_path / "scratch") as opened:
        assert opened.path.read_text() == "a\n2\n"


def test_a_folder_is_no_source(tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_ARTIFACTS", str(tmp_path / "store"))
    write(tmp_path / "m" / "a", "x")
    open_store().put("model", tmp_path / "m")
    with pytest.raises(Refusal, match="folder of 1 files"):
        resolve("artifact://model", tmp_path)


@pytest.mark.parametrize("source", ["artifact://", "artifact://a/b", "artifact://../x:prod", "artifact://t:"])
def test_a_malformed_artifact_source_is_refused(source):
    with pytest.raises(Refusal, match=r"not a name|not a version"):
        parse(source)


def test_the_digest_of_a_version_is_the_one_that_steps_stamp(tmp_path):
    class Artifact:
        path, metadata = str(table(tmp_path / "fruit.parquet")), {}

    store = open_store(tmp_path / "store")
    assert store.put("fruit", Artifact.path).digest == stamp(Artifact)["digest"]


# --- opening


def test_the_default_store_is_in_the_home_of_all_outputs(tmp_path, monkeypatch):
    monkeypatch.delenv("TABPIPE_ARTIFACTS", raising=False)
    monkeypatch.delenv("TABPIPE_HOME", raising=False)
    assert Path(default_url()) == home() / "artifacts"
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "here"))
    assert Path(default_url()) == home() / "artifacts"
    monkeypatch.setenv("TABPIPE_ARTIFACTS", "s3://bucket/prefix/")
    assert open_store().place.shown == "s3://bucket/prefix"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        pytest.param("http://host/x", ["http:// are not known"], id="scheme"),
        pytest.param("s3://", ["names no bucket"], id="no-bucket"),
        pytest.param("s3://key:secret@", ["names no bucket"], id="no-bucket-secret"),
    ],
)
def test_an_address_that_is_no_store_is_refused(address, words):
    with pytest.raises(Refusal) as caught:
        open_store(address)
    assert "secret" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_opening_a_folder_loads_no_s3_client_and_no_tables():
    code = (
        "import sys; from components.common.artifacts import open_store; open_store('/tmp/none').names();"
        "print({'boto3', 'botocore', 'kfp', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    assert ended(started(code)).strip() == "set()"


def test_references_are_shown_as_they_are_written():
    assert str(parse_ref("music")) == "music:latest" and str(parse_ref("artifact://music:v3")) == "music:v3"
