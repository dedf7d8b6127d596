"""The serving bench: its load generator measures what is there, and its report says what was measured."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

from bench.serving.load import load, predictions, whole
from bench.serving.report import OURS, PHASES, THEIRS, Agreement, medians, ratios, table
from bench.serving.servers import free_port, serving
from tests.conftest import ROOT

SLOW = """
import json, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Answering(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True
    wbufsize = -1

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(float(sys.argv[2]))
        body = json.dumps({"predictions": [asked * 10]}).encode()
        self.send_response(200 if asked < 100 else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

ThreadingHTTPServer.request_queue_size = 32
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answering).serve_forever()
"""


@contextmanager
def slow_server(tmp_path, delay):
    """Answers a number with ten times that number, after a delay; from 100 on with an error."""
    port = free_port()
    command = [sys.executable, "-c", SLOW, str(port), str(delay)]
    with serving("slow", command, {}, port, b"1", tmp_path / "log") as server:
        yield server


def job(tmp_path, port, numbers, **more):
    bodies = tmp_path / "bodies"
    bodies.write_bytes(b"\n".join(str(number).encode() for number in numbers))
    return {"host": "127.0.0.1", "port": port, "bodies": str(bodies), "clients": 1, "seconds": 0.5, **more}


def test_the_generator_measures_how_long_answers_take(tmp_path):
    with slow_server(tmp_path, 0.05) as server:
        told = load(job(tmp_path, server.port, range(5)))
    assert 50 <= told["p50_ms"] <= told["p99_ms"]
    assert told["per_second"] == pytest.approx(told["requests"] / told["seconds"])
    assert 1 <= told["requests"] <= 11
    assert told["cpu"] < 0.5


def test_many_clients_ask_at_the_same_time_and_every_request_in_turn(tmp_path):
    with slow_server(tmp_path, 0.05) as server:
        told = load(job(tmp_path, server.port, range(20), clients=8, warm=0.06, least=40))
    assert told["requests"] >= 40
    # Little's law: the rate times how long each takes is how many are under way.
    assert 4 < told["per_second"] * told["p50_ms"] / 1000 < 12
    assert told["predicted"] == {number: [number * 10] for number in range(20)}


def test_every_request_is_asked_once_where_that_is_wanted(tmp_path):
    with slow_server(tmp_path, 0) as server:
        told = load(job(tmp_path, server.port, range(30), seconds=0, least=30))
    assert told["requests"] == 30
    assert sorted(told["predicted"]) == list(range(30))


def test_an_error_of_the_server_ends_the_measurement(tmp_path):
    with slow_server(tmp_path, 0) as server, pytest.raises(ValueError, match=r"answered HTTP/1\.1 500"):
        load(job(tmp_path, server.port, [1, 2, 100]))


def test_a_server_is_stopped_by_its_pid(tmp_path):
    with slow_server(tmp_path, 0) as server:
        assert server.process.is_running()
    assert not server.process.is_running()


def test_an_answer_is_whole_only_with_all_of_its_body():
    answer = b'HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{"predictions": ["a"]}'
    assert whole(answer) == len(answer) == whole(answer + b"HTTP/1.1")
    assert whole(answer[:-1]) == whole(answer[:20]) == 0
    assert predictions(answer) == ["a"]
    with pytest.raises(ValueError, match="Content-Length"):
        whole(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")


def measured(ms, memory):
    same = {"p50_ms": ms, "p99_ms": 2 * ms, "cpu_ms": ms, "cpu": 0.1, "requests": 10}
    phases = {phase: {**same, "per_second": 1000 * clients / ms} for phase, (clients, _) in PHASES.items()}
    return {"start_s": ms, "memory_mib": memory, **phases}


def test_ratios_are_medians_of_those_within_rounds():
    # The machine is slower in the last two rounds, for both; the servers' own medians would give 20 / 1.5.
    rounds = [
        {THEIRS: measured(10.0, 400), OURS: measured(0.5, 200)},
        {THEIRS: measured(20.0, 400), OURS: measured(2.0, 100)},
        {THEIRS: measured(60.0, 400), OURS: measured(1.5, 100)},
    ]
    found = ratios(rounds)
    assert found["p50_single_row"] == found["requests_per_second_8_clients"] == found["rows_per_second_100"] == 20
    assert found["peak_memory"] == 4
    assert medians(rounds)[OURS]["1 client, 100 rows"]["rows_per_second"] == pytest.approx(100 * 1000 / 1.5, rel=1e-3)
    assert any("20.00 ms" in line and "1.50 ms" in line and "20.0" in line for line in table(rounds, found))


def test_rows_that_get_different_predictions_are_told():
    agreement = Agreement()
    agreement.note(THEIRS, 2, {0: ["a", "b"], 1: ["c"]})
    agreement.note(OURS, 1, {0: ["a"], 2: ["c"]})
    assert not agreement.differences
    assert agreement.compared(2) == 0
    agreement.note(OURS, 2, {0: ["a", "x"]})
    assert agreement.compared(2) == 2
    assert len(agreement.differences) == 1
    assert "row 1" in agreement.differences[0]


@pytest.mark.run
def test_a_small_run_ends_with_the_document(tmp_path):
    small = ["train.n_estimators=5", "train.max_depth=5", "promote.thresholds={}"]
    quick = ["--rounds", "1", "--seconds", "0.2", "--source", "sample://music_genres"]
    done = subprocess.run(
        [sys.executable, "-m", "bench.serving.main", *quick, *small],
        cwd=ROOT,
        env={**os.environ, "TABPIPE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout.splitlines()[-1])
    assert {"p50_single_row", "requests_per_second_8_clients", "rows_per_second_100"} <= set(document["ratios"])
    assert document["equal_predictions"]
    assert document["rows_compared"]["by 100 rows"] == 2000
    assert document["rows_compared"]["by single rows"] >= 2
    assert all(value > 0 for value in document["ratios"].values())
