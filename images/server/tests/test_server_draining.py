"""The end of the server: what was accepted is answered, and the exit code is 0."""

import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from images.server.tests.registries import until
from images.server.tests.running import ROOT, ROW, answer_of, request, running

pytestmark = pytest.mark.run

GOOD = request({"dataframe_records": [ROW]})


class Client(threading.Thread):
    """Asks until it may not connect any more, and keeps count."""

    def __init__(self, server, keep):
        super().__init__(daemon=True)
        self.server, self.keep = server, keep
        self.answered, self.lost, self.wrong, self.idle_closed = 0, [], [], 0

    def run(self):
        while True:
            try:
                connection = self.server.connect()
            except (ConnectionRefusedError, TimeoutError, ConnectionResetError):
                return
            with connection:
                while True:
                    try:
                        connection.sendall(GOOD)
                        status, headers, _ = answer_of(connection)
                    except OSError as error:
                        self.lost.append(repr(error))
                        break
                    self.answered += 1
                    if status != 200:
                        self.wrong.append(status)
                    if headers.get("connection") == "close" or not self.keep:
                        break


def drains(server):
    """What the server says of itself while it drains; None before."""
    said = server.get("/readyz")
    return said if said[0] == 503 else None


def listens_no_more(server):
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=0.2).close()
    except OSError:
        return True
    return False


@pytest.mark.parametrize("drain", [0.5, 0], ids=["with a drain time", "without one"])
def test_sigterm_under_load_loses_no_request(trees_folder, tmp_path, drain):
    with running(trees_folder, tmp_path, drain=drain) as server:
        clients = [Client(server, keep) for keep in [True] * 8 + [False] * 8]
        for client in clients:
            client.start()
        until(lambda: all(client.answered > 10 for client in clients))
        server.process.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        for client in clients:
            client.join(20)
        assert server.process.wait(20) == 0, server.log.read_text()
        assert time.monotonic() - begun >= drain
    assert not [loss for client in clients for loss in client.lost if client.keep is False or drain]
    assert not [status for client in clients for status in client.wrong]


def test_while_it_drains_it_says_so_and_still_answers(trees_folder, tmp_path):
    with running(trees_folder, tmp_path, drain=1.5) as server:
        with server.connect() as idle, server.connect() as late:
            idle.sendall(GOOD)
            assert answer_of(idle)[1].get("connection") != "close"
            server.process.send_signal(signal.SIGTERM)
            status, headers, body = until(lambda: drains(server))
            assert (status, headers["connection"]) == (503, "close")
            assert b"shutting down" in body
            assert server.get("/healthz")[0] == 200
            idle.sendall(GOOD)
            status, headers, _ = answer_of(idle)
            assert (status, headers["connection"]) == (200, "close")
            until(lambda: listens_no_more(server))
            late.sendall(GOOD)
            assert answer_of(late)[0] == 200, "it was accepted, and so is answered"
        assert server.process.wait(10) == 0


def test_who_waits_to_be_accepted_is_served(trees_folder, tmp_path):
    with running(trees_folder, tmp_path, drain=0) as server:
        server.process.send_signal(signal.SIGSTOP)  # so that the kernel accepts, and nobody else
        waiting = [server.connect() for _ in range(20)]
        for connection in waiting:
            connection.sendall(GOOD)
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        assert [answer_of(connection)[0] for connection in waiting] == [200] * 20
        for connection in waiting:
            connection.close()
        assert server.process.wait(10) == 0


def test_a_request_in_flight_is_read_to_its_end(trees_folder, tmp_path):
    with running(trees_folder, tmp_path, drain=0) as server, server.connect() as connection:
        connection.sendall(GOOD[:-20])
        assert server.get("/healthz")[0] == 200  # so it has read what was sent before
        server.process.send_signal(signal.SIGTERM)
        until(lambda: listens_no_more(server))
        connection.sendall(GOOD[-20:])
        status, headers, _ = answer_of(connection)
        assert (status, headers["connection"]) == (200, "close")
        assert server.process.wait(10) == 0


def test_a_second_signal_ends_at_once(trees_folder, tmp_path):
    with running(trees_folder, tmp_path, drain=30) as server:
        server.process.send_signal(signal.SIGTERM)
        until(lambda: drains(server))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(3) == 128 + signal.SIGTERM


def environment(**variables):
    path = f"{ROOT}:{ROOT / 'images' / 'server'}"
    return {"PATH": "/usr/bin", "PYTHONPATH": path} | {f"TABPIPE_SERVE_{n.upper()}": v for n, v in variables.items()}


WRONG = {
    "no model": ({}, "TABPIPE_SERVE_MODEL"),
    "no port": ({"model": "x", "port": "http"}, "TABPIPE_SERVE_PORT"),
    "unknown": ({"model": "x", "prot": "1"}, "TABPIPE_SERVE_PORT"),
    "a share without a challenger": ({"model": "x", "fraction": "0.1"}, "TABPIPE_SERVE_CHALLENGER"),
    "share and shadow": ({"model": "x", "fraction": "0.1", "shadow": "true", "challenger": "y"}, "SHADOW"),
    "no number": ({"model": "x", "timeout": "nan"}, "TABPIPE_SERVE_TIMEOUT"),
    "short key": ({"model": "x", "api_key": "abc"}, "TABPIPE_SERVE_API_KEY"),
    "no alias": ({"model": "models:/x"}, "TABPIPE_SERVE_MODEL"),
}


@pytest.mark.parametrize(("variables", "named"), WRONG.values(), ids=WRONG)
def test_a_wrong_setting_ends_the_start(variables, named):
    done = subprocess.run(
        [sys.executable, "-m", "tabpipe_server"],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert "value: abc" not in done.stderr, "a secret is not shown"


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "tabpipe_server"],
            env=environment(model="x", port=port),
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert port in done.stderr


def test_help_lists_every_variable_with_an_example():
    done = subprocess.run(
        [sys.executable, "-m", "tabpipe_server", "--help"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    for name in ("MODEL", "FRACTION", "DRAIN", "LOG_SECONDS", "API_KEY"):
        assert f"TABPIPE_SERVE_{name}=" in done.stdout
