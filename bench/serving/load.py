"""Asks a server as fast as it answers, from a process of its own; `python -m bench.serving.load JOB.json`.

It is made to cost little: requests are put together beforehand, one thread serves all connections, and answers are
looked into only after the time is up. A job names the address, a file of bodies (one JSON document a line), the number
of clients and the seconds; the outcome is printed as JSON.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PATIENCE = 60.0
"""Seconds without any answer after which a server counts as hanging."""
_READ = 1 << 18


@dataclass
class Client:
    """A connection that asks one request after the other and is kept."""

    connection: socket.socket
    asked: int = 0
    """Which request it waits for."""
    since: float = 0.0
    came: bytearray = field(default_factory=bytearray)


def connect(host: str, port: int, patience: float = _PATIENCE) -> socket.socket:
    """A connection that sends small packets at once."""
    connection = socket.create_connection((host, port), timeout=patience)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(body: bytes, path: str = "/invocations") -> bytes:
    """The bytes of a whole request."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def whole(came: bytes | bytearray) -> int:
    """The length of the answer that bytes begin with; 0 while it is not all there.

    Raises:
        ValueError: It does not say its length.
    """
    end = came.find(b"\r\n\r\n")
    if end < 0:
        return 0
    head = bytes(came[:end]).lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        raise ValueError(f"an answer without Content-Length: {head[:200]!r}")
    length = end + 4 + int(head[at + 17 :].split(b"\r\n", 1)[0])
    return length if len(came) >= length else 0


def ask(host: str, port: int, body: bytes, patience: float = _PATIENCE) -> bytes:
    """The whole answer to one request, on a connection of its own.

    Raises:
        OSError: The server is not there, or went away.
    """
    with connect(host, port, patience) as connection:
        connection.sendall(request(body))
        came = bytearray()
        while not (length := whole(came)):
            if not (part := connection.recv(_READ)):
                raise ConnectionError("the server closed the connection before it had answered")
            came += part
        return bytes(came[:length])


def predictions(answer: bytes) -> list[Any]:
    """What an answer predicts.

    Raises:
        ValueError: It is no good answer.
    """
    if answer[9:12] != b"200":
        raise ValueError(f"the server answered {answer[:500].decode(errors='replace')}")
    return json.loads(answer[answer.find(b"\r\n\r\n") + 4 :])["predictions"]


def load(job: dict[str, Any]) -> dict[str, Any]:
    """Asks until the time is up.

    Args:
        job: host, port, bodies (a file), clients, seconds, and if wanted warm (seconds before, not counted), first
            (the request to begin with) and least (requests to ask at any rate).

    Returns:
        asked (all requests); requests and seconds that were counted, p50_ms, p99_ms and per_second of these; cpu (the
        share of a core that this process took), answer_bytes (of one answer), and predicted: request to predictions.

    Raises:
        ValueError: A request was not answered with 200, or the server hangs.
    """
    requests = [request(line) for line in Path(job["bodies"]).read_bytes().splitlines()]
    answers: dict[int, bytes] = {}
    clients = [Client(connect(job["host"], job["port"])) for _ in range(job["clients"])]
    selector = selectors.DefaultSelector()
    try:
        for client in clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        warm = time.perf_counter() + job.get("warm", 0.0)
        count = _asked(selector, clients, requests, answers, job.get("first", 0), warm, 0)[1] if job.get("warm") else 0
        started, processor = time.perf_counter(), time.process_time()
        until = started + job["seconds"]
        took, more = _asked(
            selector, clients, requests, answers, job.get("first", 0) + count, until, job.get("least", 1)
        )
        seconds, cpu = time.perf_counter() - started, time.process_time() - processor
    finally:
        selector.close()
        for client in clients:
            client.connection.close()
    took.sort()
    return {
        "asked": count + more,
        "requests": len(took),
        "seconds": seconds,
        "per_second": len(took) / seconds,
        "p50_ms": 1000 * took[len(took) // 2],
        "p99_ms": 1000 * took[min(int(len(took) * 0.99), len(took) - 1)],
        "cpu": cpu / seconds,
        "answer_bytes": max(len(answer) for answer in answers.values()),
        "predicted": {at: predictions(answer) for at, answer in sorted(answers.items())},
    }


def _asked(
    selector: selectors.BaseSelector,
    clients: list[Client],
    requests: list[bytes],
    answers: dict[int, bytes],
    first: int,
    until: float,
    least: int,
) -> tuple[list[float], int]:
    """Lets all clients ask until a time, and waits for the last answers; how long each took, and how many there are.

    Rates count the time of the last answers too, so each request that is counted had its whole time.
    """
    took: list[float] = []
    number, waiting, clock = 0, 0, time.perf_counter

    def send(client: Client) -> None:
        nonlocal number, waiting
        client.asked = (first + number) % len(requests)
        number += 1
        waiting += 1
        client.since = clock()
        client.connection.sendall(requests[client.asked])

    for client in clients:
        send(client)
    while waiting:
        ready = selector.select(_PATIENCE)
        if not ready:
            raise ValueError(f"no answer within {_PATIENCE:g} s")
        for key, _ in ready:
            client = key.data
            part = client.connection.recv(_READ)
            now = clock()
            if not part:
                raise ValueError(f"the server closed a connection after {len(took)} answers")
            client.came += part
            length = whole(client.came)
            if not length:
                continue
            answer = bytes(client.came[:length])
            if answer[9:12] != b"200":
                raise ValueError(f"the server answered {answer[:500].decode(errors='replace')}")
            took.append(now - client.since)
            answers[client.asked] = answer
            del client.came[:length]
            waiting -= 1
            if now < until or number < least:
                send(client)
    return took, number


if __name__ == "__main__":
    try:
        print(json.dumps(load(json.loads(Path(sys.argv[1]).read_text()))))
    except (ValueError, OSError) as error:
        sys.exit(f"{error}")
