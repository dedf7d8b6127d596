"""What a run hangs on is found: by the source's bytes, by the day, by a declared reference."""

import functools
import hashlib
import http.server
import threading
import time

import pytest

from components.common.errors import Refusal
from components.resolve.resolve import resolve_inputs

CHECKS = {"target": "b", "task": "regression", "kinds": {"a": "date", "b": "numerical"}}


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n2026-01-01,2\n")
    return path


def test_a_source_is_known_by_its_bytes_alone(table, tmp_path):
    found = resolve_inputs({"source": str(table)}, CHECKS)
    assert found == (hashlib.sha256(table.read_bytes()).hexdigest(), "")
    copy = tmp_path / "other.csv"
    copy.write_bytes(table.read_bytes())
    assert resolve_inputs({"source": str(copy)}, CHECKS) == found
    copy.write_text("a,b\n2026-01-01,3\n")
    assert resolve_inputs({"source": str(copy)}, CHECKS) != found


def test_nothing_that_was_fetched_is_left(table, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/t.csv"
        checksum, _ = resolve_inputs({"source": url}, CHECKS, scratch=str(scratch))
        server.shutdown()
    assert checksum == hashlib.sha256(table.read_bytes()).hexdigest()
    assert not list(scratch.iterdir())


def test_checks_of_freshness_are_valid_for_a_day(table):
    checks = {**CHECKS, "columns": {"a": {"fresh_days": 3}}}
    assert resolve_inputs({"source": "sample://iris"}, checks) == ("sample:iris", time.strftime("%Y-%m-%d"))


def test_a_declared_reference_is_known_by_its_bytes(table):
    checks = {**CHECKS, "drift": {"reference": str(table)}}
    assert resolve_inputs({"source": "sample://iris"}, checks)[1] == hashlib.sha256(table.read_bytes()).hexdigest()


def test_a_source_that_is_not_there_is_refused():
    with pytest.raises(Refusal, match="does not exist"):
        resolve_inputs({"source": "/nowhere/t.csv"}, CHECKS)
