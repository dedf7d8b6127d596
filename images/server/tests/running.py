"""The real server as a process, and clients that speak to it byte by byte."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 60.0
ROW = {
    "girth": 210.5,
    "height": 12,
    "bark": "oak",
    "place": "hill",
    "note": "old tree",
    "by": "Ann",
    "seen": "2026-03-01",
}
"""A row that the model of `trees_folder` answers."""


@dataclass
class Running:
    """A server that runs."""

    process: subprocess.Popen
    port: int
    log: Path

    def connect(self) -> socket.socket:
        """A connection to it."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=_PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Asks by GET, on a connection of its own."""
        with self.connect() as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            return answer_of(connection)


@contextmanager
def running(
    model: Path | str, folder: Path, environment: dict[str, str] | None = None, **variables
) -> Iterator[Running]:
    """Runs the server until it is ready, and ends it after; `environment` has what is not the server's own."""
    folder.mkdir(parents=True, exist_ok=True)
    given = {"model": model, "name": "trees", "port": 0, "cache": folder / "cache", "drain": 0} | variables
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TABPIPE_", "MLFLOW_"))}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")])
    kept |= {f"TABPIPE_SERVE_{name.upper()}": str(value) for name, value in given.items()}
    kept |= environment or {}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "tabpipe_server"], env=kept, stdout=out, stderr=out)
    try:
        server = Running(process, 0, log)
        end = time.monotonic() + _PATIENCE
        while not _ready(server):
            assert process.poll() is None, f"the server ended:\n{log.read_text()}"
            assert time.monotonic() < end, f"the server does not become ready:\n{log.read_text()}"
            time.sleep(0.05)
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            process.terminate()  # the second signal ends it at once
        process.wait(_PATIENCE)


def _ready(server: Running) -> bool:
    _, found, after = server.log.read_text().partition("listening on http://127.0.0.1:")
    if not found or "\n" not in after:
        return False
    server.port = int(after.split()[0])
    return server.get("/readyz")[0] == 200


def request(document, **headers) -> bytes:
    """A request's bytes; `headers` have _ for -."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    given = {"Host": "x", "Content-Type": "application/json", "Content-Length": str(len(body))}
    given |= {name.replace("_", "-"): text for name, text in headers.items()}
    lines = [f"{name}: {text}" for name, text in given.items() if text is not None]
    return "\r\n".join(["POST /invocations HTTP/1.1", *lines, "", ""]).encode() + body


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Reads one answer: status, headers, body.

    Raises:
        ConnectionError: The connection ended before the answer did.
    """
    read = b""
    while b"\r\n\r\n" not in read:
        read += _some(connection, read)
    head, _, body = read.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += _some(connection, read + body)
    return int(first.split()[1]), headers, body


def _some(connection: socket.socket, before: bytes) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise ConnectionError(f"ended after {before[-200:]!r}")
    return piece
