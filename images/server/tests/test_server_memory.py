"""The server's memory does not grow: not by answers, refusals, broken connections or reloads."""

import json
import os
import socket
import threading
import time

import psutil
import pytest

from images.server.tests import registries
from images.server.tests.running import ROW, answer_of, request, running

pytestmark = pytest.mark.run

trained_models = registries.trained_models
ROUNDS = 8
"""Of each half; each of a few hundred requests."""
GROWTH = 6 << 20
"""Bytes. A leak of a request's kilobyte would be as much in one half."""


def good(at):
    """Requests that differ in all that a server might remember."""
    row = ROW | {"girth": at % 997, "note": f"tree number {at}", "bark": f"bark {at}", "seen": "2026-03-01T12:00Z"}
    yield request({"dataframe_records": [row]}, X_Request_Id=f"id-{at}", X_Request_Key=f"key-{at}"), {200}
    rows = [row | {"girth": None}] * 300
    yield request({"dataframe_records": rows, "params": {"probabilities": True, "key": f"key-{at}"}}), {200}
    split = {"columns": [*ROW, f"more {at}"], "data": [[*row.values(), at]]}
    yield request({"dataframe_split": split, "params": {"extra_columns": "ignore"}}), {200}
    body = f"{','.join(ROW)}\n{at},1,oak,hill,note {at},Bo,\n".encode()
    yield request(body, Content_Type="text/csv"), {200}


def refused(at):
    """Requests that are refused for what they hold, and for how they are sent."""
    yield request({"dataframe_records": [ROW | {"girth": f"wide {at}"}]}), {400}
    yield request({"dataframe_records": [ROW | {f"column {at}": 1}]}), {400}
    yield request({"instances": [ROW] * 400 + [ROW | {"height": "x"}]}), {400}
    yield request(b'{"instances": [%d' % at), {400}
    yield request(b"\x1f\x8b no gzip", Content_Encoding="gzip"), {400}
    yield request(ROW, Content_Type=f"text/x-{at}"), {415}
    yield request(b" " * 60_000), {413}
    yield request(b"", Content_Length="99999999999"), {413}
    yield request(b"", Content_Length="x"), {400}
    yield request(ROW).replace(b"/invocations", b"/nowhere/%d" % at), {404}


class Crowd:
    """Clients of all manners.

    Args:
        server: The server.
    """

    def __init__(self, server):
        self._server, self._at, self.wrong = server, 0, []

    def round(self):
        """Asks a few hundred requests by three clients at once."""
        clients = [threading.Thread(target=self._mixed, args=(number,)) for number in range(3)]
        slow = [self._begun(b"POST /invocations HTTP/1.1\r\nHost: x\r\n") for _ in range(3)]
        slow += [self._begun(request(ROW)[:-5]) for _ in range(3)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        for connection in slow:
            connection.settimeout(10)
            if answer_of(connection)[0] != 408:
                self.wrong.append("a slow one was not told so")
            connection.close()
        self._at += 1000

    def _mixed(self, number):
        connection = self._server.connect()
        for at in range(self._at + number, self._at + number + 60, 3):
            for sent, statuses in (*good(at), *(refused(at) if at % 2 else ())):
                connection.sendall(sent)
                status, headers, body = answer_of(connection)
                if status not in statuses:
                    self.wrong.append((status, body[:300]))
                if headers.get("connection") == "close":
                    connection.close()
                    connection = self._server.connect()
            self._broken_off(at)
        connection.close()

    def _broken_off(self, at):
        """Sends some of a request, or all, and goes."""
        whole = request({"dataframe_records": [ROW] * 300})
        connection = self._begun(whole[: at % len(whole)] if at % 4 else whole)
        if at % 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        connection.close()

    def _begun(self, sent):
        connection = self._server.connect()
        connection.sendall(sent)
        return connection


def reloading(link, models, server, ending, swapped):
    """Points a link at one model after the other, each as soon as the one before answers."""
    before = present(server)
    while not ending.is_set():
        os.symlink(models[len(swapped) % 2], f"{link}.next")
        os.replace(f"{link}.next", link)
        while not ending.is_set() and present(server) == before:
            time.sleep(0.1)
        before = present(server)
        swapped.append(before)


def present(server):
    """The digest of the model that answers."""
    return json.loads(server.get("/readyz")[2])["champion"]["digest"]


def test_memory_does_not_grow(trained, tmp_path):
    link, models = tmp_path / "model", [trained("second"), trained("first")]
    os.symlink(models[1], link)
    # With a log and a limit of bytes that oversized requests do not take long to reach.
    variables = {"poll": 0.1, "timeout": 1, "max_bytes": 50_000, "log": tmp_path / "log", "log_seconds": 0.5}
    with running(link, tmp_path / "server", **variables) as server:
        process, crowd, ending, swapped = psutil.Process(server.process.pid), Crowd(server), threading.Event(), []
        reloader = threading.Thread(target=reloading, args=(link, models, server, ending, swapped), daemon=True)
        reloader.start()
        held = []
        for _ in range(3):
            for _ in range(ROUNDS if held else ROUNDS // 2):
                crowd.round()
            held.append((process.memory_info().rss, process.num_fds(), process.num_threads(), len(swapped)))
        ending.set()
        reloader.join(10)
        requests = sum(
            float(line.split()[-1])
            for line in server.get("/metrics")[2].decode().splitlines()
            if line.startswith("tabpipe_serve_requests_total")
        )
    assert not crowd.wrong, crowd.wrong[:3]
    _, middle, end = held
    assert requests > 3000
    assert end[3] - middle[3] >= 3, "models were loaded meanwhile"
    assert end[0] - middle[0] < GROWTH, held
    assert end[1] - middle[1] < 20, "files and connections"
    assert end[2] - middle[2] < 5, "threads"
    assert "Traceback" not in server.log.read_text()
