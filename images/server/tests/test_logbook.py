"""Requests and answers are logged in whole files, whatever happens to the place they go to, and nobody waits."""

import os
import signal
import threading
import time
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.common.inference import ABSENT, load_predictor
from images.server.tests.registries import settings, trained_models, until  # noqa: F401
from tabpipe_server import request_log
from tabpipe_server.models import Served
from tabpipe_server.request_log import Entry, Logbook
from tests.artifact_stores import MINIO, Minio, bucket_url, minio_server, moto_server  # noqa: F401

pytestmark = pytest.mark.run

NOON = 1_790_000_000.25


@pytest.fixture(scope="session")
def champion(trained):
    return Served(load_predictor(trained("first")), "trees", "3", "champion", "d" * 64)


@pytest.fixture(scope="session")
def regressor(trained):
    return Served(load_predictor(trained("regression")), "trees", "4", "challenger", "e" * 64)


ROW = {
    "girth": 80.5,
    "height": 12,
    "bark": "grey",
    "place": "hill",
    "note": "old tree",
    "by": "Ann",
    "seen": "2026-03-04",
    "kind": "oak",
}


def entry(served, rows=1, change=None, request="r1", **more):
    columns = {name: [value] * rows for name, value in ROW.items()} | (change or {})
    answered = served.predictor.answer(columns, rows, more.get("texts", False))
    given = {"ids": None, "latency": 0.0015, "shadow": False, "key": "k", "time": NOON} | more
    return Entry(request_id=request, served=served, columns=columns, rows=rows, answered=answered, **given)


@contextmanager
def logging_to(tmp_path, place, **more):
    book = Logbook(settings(tmp_path, "", log=str(place), **more))
    book.start()
    try:
        yield book
    finally:
        book.stop(20)
        assert book.pid is None


def files(place):
    return sorted(Path(place).rglob("*.parquet"))


def read(place):
    return pd.concat([pd.read_parquet(path) for path in files(place)], ignore_index=True)


def test_a_row_of_the_log_tells_request_answer_and_inputs(champion, tmp_path):
    change = {"girth": [80.5, None, "wide"], "bark": ["grey", "birch", "grey"], "seen": [None, "2026-03-04", None]}
    with logging_to(tmp_path, tmp_path / "log") as book:
        noted = entry(champion, 3, change, ids=[11, None, 13])
        book.note(noted)
        until(lambda: book.written == 2)
    path = files(tmp_path / "log")[0]
    assert path.parent == tmp_path / "log" / "trees" / "date=2026-09-21"
    assert path.name.startswith("141320-") and path.name.endswith("-1.parquet")
    table = pd.read_parquet(path)
    assert table["row"].tolist() == [0, 1]  # the third was refused
    assert pq.read_table(path)["id"].to_pylist() == ["11", None]
    assert table["time"].tolist() == [pd.Timestamp(NOON, unit="s", tz="UTC")] * 2
    assert table["prediction"].tolist() == noted.answered.predicted.tolist()
    assert np.array_equal(np.stack(table["probabilities"]), noted.answered.probabilities)
    assert table["probability"].tolist() == noted.answered.probabilities.max(axis=1).tolist()
    assert table["unknown"].tolist() == [0, 1]
    assert table["value"].isna().all()
    assert table["latency_ms"].tolist() == [1.5, 1.5]
    for name, value in {"request_id": "r1", "key": "k", "model": "trees", "version": "3", "role": "champion"}.items():
        assert set(table[name]) == {value}
    assert not table["shadow"].any()
    assert table["input.girth"].tolist()[0] == 80.5 and np.isnan(table["input.girth"][1])
    assert table["input.bark"].tolist() == ["grey", "birch"]
    assert table["input.height"].tolist() == [12.0, 12.0]
    assert pq.read_table(path)["input.seen"].to_pylist() == [None, "2026-03-04"]
    assert [name for name in table if name.startswith("input.")] == [f"input.{n}" for n in champion.predictor.columns]


def test_types_are_the_same_whatever_the_values_are(champion, regressor, tmp_path):
    full, empty = entry(champion), entry(champion, 1, {name: [None] for name in ROW}, "r2")
    texts = entry(champion, 1, {name: [str(value)] for name, value in ROW.items()}, "r3", texts=True)
    blank = entry(champion, 1, {name: [""] for name in ROW}, "r4", texts=True)
    arrays = {
        "girth": np.array([80.5], np.float32),
        "height": np.array([12], np.int64),
        "bark": np.array([True]),
        "seen": np.array(["2026-03-04"], "datetime64[D]"),
    }
    arrays = entry(champion, 1, arrays, "r5")
    for number, one in enumerate([full, empty, texts, blank, arrays]):
        with logging_to(tmp_path, tmp_path / "log" / str(number)) as book:
            book.note(one)
        assert (book.written, book.failed, book.dropped) == (1, 0, 0)
    schemas = [pq.read_schema(path) for path in files(tmp_path / "log")]
    assert len(schemas) == 5 and all(schema.equals(schemas[0], check_metadata=True) for schema in schemas)
    assert str(schemas[0].field("input.girth").type) == "double"
    assert {str(schemas[0].field(f"input.{name}").type) for name in ("bark", "note", "seen")} == {"string"}
    kinds = {"time": "timestamp[us, tz=UTC]", "row": "int32", "unknown": "int32", "shadow": "bool"}
    kinds |= {"probabilities": "list<element: double>", "value": "double", "prediction": "string"}
    assert {name: str(schemas[0].field(name).type) for name in kinds} == kinds
    table = read(tmp_path / "log").set_index("request_id")
    pd.testing.assert_series_equal(
        table.loc["r1"].filter(like="input."), table.loc["r3"].filter(like="input."), check_names=False
    )
    for name in ("r2", "r4"):
        assert table.loc[name].filter(like="input.").isna().all()
    assert table.loc["r5", "input.bark"] == "true" and table.loc["r5", "input.seen"] == "2026-03-04"
    with logging_to(tmp_path, tmp_path / "numbers") as book:
        book.note(entry(regressor, shadow=True))
    table = read(tmp_path / "numbers")
    assert table["prediction"].isna().all() and table["probability"].isna().all()
    assert table["value"].tolist() == entry(regressor).answered.predicted.tolist()
    assert table["shadow"].all() and set(table["role"]) == {"challenger"}


def test_a_record_without_a_key_is_logged_as_missing(champion, tmp_path):
    columns = {"girth": [1.5], "note": [None]}
    answered = champion.predictor.answer({name: [value] for name, value in ROW.items()}, 1)
    odd = Entry(NOON, "r", "k", champion, columns | {"bark": [ABSENT]}, 1, answered, None, 0.001, False)
    with logging_to(tmp_path, tmp_path / "log") as book:
        book.note(odd)
    table = read(tmp_path / "log")
    assert table["input.girth"].tolist() == [1.5]
    assert table[["input.bark", "input.place", "input.note"]].isna().all(axis=None)


def test_files_are_written_after_so_many_rows_or_seconds_by_day_and_by_model(champion, regressor, tmp_path):
    with logging_to(tmp_path, tmp_path / "log", log_seconds=60, log_rows=100) as book:
        for number in range(180):
            book.note(entry(champion, request=str(number)))
        until(lambda: book.written >= 100)
        time.sleep(0.5)
        assert book.written < 180  # the rest waits for its time
        book.note(entry(champion, request="late", time=NOON + 86_400))
        book.note(entry(regressor, request="other"))
    assert book.written == 182
    table = read(tmp_path / "log")
    assert sorted(table["request_id"]) == sorted([*map(str, range(180)), "late", "other"])
    assert {path.parent.name for path in files(tmp_path / "log")} == {"date=2026-09-21", "date=2026-09-22"}
    assert len(files(tmp_path / "log")) == 4
    with logging_to(tmp_path, tmp_path / "quick", log_seconds=0.2, log_rows=10_000) as book:
        book.note(entry(champion))
        until(lambda: files(tmp_path / "quick"))


def test_noting_takes_microseconds(champion, tmp_path):
    one = entry(champion)
    with logging_to(tmp_path, tmp_path / "log", log_rows=20_000, log_seconds=60) as book:
        until(lambda: book.pid)
        took = []
        for _ in range(5000):
            start = time.perf_counter()
            book.note(one)
            took.append(time.perf_counter() - start)
        assert sorted(took)[2500] < 20e-6, sorted(took)[2500]
    assert book.written == 5000


@pytest.mark.parametrize("size", [0, 4 << 20], ids=["by rows", "by bytes"])
def test_a_stuck_writer_costs_no_memory_and_nobody_waits(size, champion, tmp_path, monkeypatch):
    monkeypatch.setattr(request_log, "LEAST_ROWS", 2000)
    one = entry(champion, 10, size=size)
    with logging_to(tmp_path, tmp_path / "log", log_rows=100) as book:
        book.note(one)
        until(lambda: book.written == 10)
        os.kill(book.pid, signal.SIGSTOP)
        tracemalloc.start()
        try:
            for _ in range(2000):
                start = time.perf_counter()
                book.note(one)
                assert time.perf_counter() - start < 0.5
                if _ % 50 == 0:
                    time.sleep(0.01)
            held = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert held < 30e6
        assert book.waiting <= 2000
        assert book.dropped > 0
        os.kill(book.pid, signal.SIGCONT)
        until(lambda: book.waiting == 0, 30)
    assert book.written + book.dropped + book.failed == 20_010
    assert book.failed == 0
    assert len(read(tmp_path / "log")) == book.written


def test_a_killed_writer_is_started_again_and_nothing_is_lost(champion, tmp_path):
    with logging_to(tmp_path, tmp_path / "log", log_seconds=60) as book:
        for number in range(300):
            book.note(entry(champion, request=str(number)))
        pid = until(lambda: book.pid)
        until(lambda: not book._noted)
        os.kill(pid, signal.SIGKILL)
        until(lambda: book.pid not in (None, pid))
        assert not Path(f"/proc/{pid}").exists()
        book.note(entry(champion, request="last"))
    assert (book.written, book.failed, book.dropped) == (301, 0, 0)
    assert sorted(read(tmp_path / "log")["request_id"]) == sorted([*map(str, range(300)), "last"])


def test_an_entry_that_makes_no_table_spoils_no_other(champion, tmp_path):
    good, bad = entry(champion), entry(champion, request="bad")
    bad.columns["girth"][0] = "wide"
    lock = entry(champion, request="lock")
    lock.columns["girth"][0] = threading.Lock()  # cannot even be packed
    with logging_to(tmp_path, tmp_path / "log") as book:
        book.note(lock)
        until(lambda: book.failed == 1)
        book.note(good)
        book.note(bad)
    assert (book.written, book.failed) == (1, 2)
    assert read(tmp_path / "log")["request_id"].tolist() == ["r1"]


def test_a_batch_that_kills_the_writer_each_time_is_given_up(champion, tmp_path):
    poison = entry(champion, request="poison")
    poison.columns["note"] = Poison()
    with logging_to(tmp_path, tmp_path / "log", log_seconds=0.1) as book:
        book.note(poison)
        until(lambda: book.failed == 1, 30)
        book.note(entry(champion))
        until(lambda: book.written == 1, 30)
    assert read(tmp_path / "log")["request_id"].tolist() == ["r1"]


class Poison:
    """Ends the process that unpacks it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_folder_that_cannot_be_written_is_told_and_tried_again(champion, tmp_path):
    place = tmp_path / "log"
    place.write_text("a file")
    with logging_to(tmp_path, place) as book:
        book.note(entry(champion))
        assert "Exists" in until(lambda: book.problem) or "Not a directory" in book.problem
        place.unlink()
        until(lambda: book.written == 1)
        assert book.problem == ""
    assert len(read(place)) == 1


def test_stop_keeps_its_time_and_counts_what_is_lost(champion, tmp_path):
    place = tmp_path / "log"
    place.write_text("a file")
    book = Logbook(settings(tmp_path, "", log=str(place)))
    book.start()
    book.note(entry(champion))
    until(lambda: book.problem)
    start = time.monotonic()
    book.stop(1)
    assert time.monotonic() - start < 3
    assert (book.failed, book.written, book.pid) == (1, 0, None)


def test_without_a_place_nothing_is_noted(champion, tmp_path):
    book = Logbook(settings(tmp_path, ""))
    book.start()
    book.note(entry(champion))
    book.stop(1)
    assert (book.written, book.waiting, book.pid) == (0, 0, None)


def test_the_writer_writes_what_it_has_when_the_server_is_killed(trained, tmp_path):
    import subprocess
    import sys

    root = Path(__file__).resolve().parents[3]
    code = f"""
import sys, time
sys.path.insert(0, {str(root)!r})
from images.server.tests.test_logbook import *
served = Served(load_predictor({str(trained("first"))!r}), "trees", "3", "champion", "d" * 64)
book = Logbook(settings(Path({str(tmp_path)!r}), "", log={str(tmp_path / "log")!r}, log_seconds=60))
book.start()
for number in range(5): book.note(entry(served, request=str(number)))
while book._noted or not book._sent: time.sleep(0.02)
time.sleep(0.5)
print(book.pid, flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "images" / "server")])}
    server = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    child = int(server.stdout.readline())
    assert Path(f"/proc/{child}/cmdline").read_bytes().count(b"\0") == 3  # no argument tells anything
    server.kill()
    server.communicate()
    until(lambda: files(tmp_path / "log"))
    assert len(read(tmp_path / "log")) == 5


def test_s3_away_for_a_while_loses_nothing(champion, tmp_path, tmp_path_factory, monkeypatch):
    if not MINIO:
        pytest.skip("needs MinIO, which can be stopped: name its program with TABPIPE_TEST_MINIO")
    server = Minio(tmp_path_factory.mktemp("minio"))
    try:
        place = bucket_url(server.environment, monkeypatch).replace("artifacts", "log")
        with logging_to(tmp_path, place) as book:
            book.note(entry(champion))
            until(lambda: book.written == 1)
            server.kill()
            book.note(entry(champion, request="r2"))
            assert "tester-secret" not in until(lambda: book.problem, 30)
            for number in range(3, 50):
                book.note(entry(champion, request=f"r{number}"))
            server.start()
            until(lambda: book.written == 49, 40)
            assert book.problem == ""
        check_s3(place, 49)
    finally:
        server.kill()


def test_files_go_to_s3(champion, tmp_path, request, monkeypatch):
    s3 = request.getfixturevalue("minio").environment if MINIO else request.getfixturevalue("moto")
    place = bucket_url(s3, monkeypatch).replace("artifacts", "log")
    with logging_to(tmp_path, place) as book:
        book.note(entry(champion, 3))
    assert (book.written, book.failed) == (3, 0)
    check_s3(place, 3)


def check_s3(place, rows):
    import io

    import boto3

    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    client = boto3.client("s3")
    found = client.list_objects_v2(Bucket=bucket, Prefix=f"{prefix}/trees/date=2026-09-21/")["Contents"]
    bodies = [client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read() for one in found]
    assert sum(pq.read_table(io.BytesIO(body)).num_rows for body in bodies) == rows
