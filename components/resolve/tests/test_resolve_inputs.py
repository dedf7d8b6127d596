"""What a run hangs on is found: by the source's bytes, by the day, by a declared reference."""

import functools
import hashlib
import http.server
import threading
import time

import pytest

from components.common.base.errors import Refusal
from components.resolve.resolve import resolve_inputs

CHECKS = {"target": "b", "task": "regression", "kinds": {"a": "date", "b": "numerical"}}
PROMOTE = {"use_case": "fruit", "target": "b", "task": "regression"}


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    """An artifact store of its own."""
    monkeypatch.setenv("TABPIPE_ARTIFACTS", str(tmp_path / "artifacts"))
    return tmp_path / "artifacts"


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n2026-01-01,2\n")
    return path


def test_a_source_is_known_by_its_bytes_alone(table, tmp_path):
    found = resolve_inputs({"source": str(table)}, CHECKS, PROMOTE)
    assert found[:2] == (hashlib.sha256(table.read_bytes()).hexdigest(), "")
    copy = tmp_path / "other.csv"
    copy.write_bytes(table.read_bytes())
    assert resolve_inputs({"source": str(copy)}, CHECKS, PROMOTE) == found
    copy.write_text("a,b\n2026-01-01,3\n")
    assert resolve_inputs({"source": str(copy)}, CHECKS, PROMOTE) != found


def test_nothing_that_was_fetched_is_left(table, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/t.csv"
        checksum, *_ = resolve_inputs({"source": url}, CHECKS, PROMOTE, scratch=str(scratch))
        server.shutdown()
    assert checksum == hashlib.sha256(table.read_bytes()).hexdigest()
    assert not list(scratch.iterdir())


def test_checks_of_freshness_are_valid_for_a_day(table):
    checks = {**CHECKS, "columns": {"a": {"fresh_days": 3}}}
    assert resolve_inputs({"source": "sample://iris"}, checks, PROMOTE)[:2] == (
        "sample:iris",
        time.strftime("%Y-%m-%d"),
    )


def test_a_declared_reference_is_known_by_its_bytes(table):
    checks = {**CHECKS, "drift": {"reference": str(table)}}
    assert (
        resolve_inputs({"source": "sample://iris"}, checks, PROMOTE)[1]
        == hashlib.sha256(table.read_bytes()).hexdigest()
    )


def test_a_source_that_is_not_there_is_refused():
    with pytest.raises(Refusal, match="does not exist"):
        resolve_inputs({"source": "/nowhere/t.csv"}, CHECKS, PROMOTE)


def test_a_moved_champion_is_another_finding(table, tmp_path, store):
    from components.common.artifacts import open_store
    from components.common.registry import promote, standing

    findings = [resolve_inputs({"source": str(table)}, CHECKS, PROMOTE)]
    for text in ("one", "two"):
        (tmp_path / "model").write_text(text)
        version = open_store(store).put("fruit.model", tmp_path / "model")
        promote(open_store(store), standing(open_store(store), "fruit"), version.ref)
        findings.append(resolve_inputs({"source": str(table)}, CHECKS, PROMOTE))
    assert len({champion for *_, champion in findings}) == 3
    assert len({found[:2] for found in findings}) == 1
