"""A child of the server that writes its log: parquet files in a folder or in S3.

Its stdin has a task, then batches of entries; its end means: write what there is and end. On stdout it says, a line of
JSON each, how many batches are in files now ("written"), or why they are not ("problem"). While a file cannot be
written nothing more is read, and the server keeps what comes, as far as it will.
"""

from __future__ import annotations

import io
import os
import pickle
import re
import select
import signal
import socket
import struct
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from tabpipe_server.children import say
from tabpipe_server.logtable import grouped, table_of
from tabpipe_server.redaction import redacted

_PAUSES = (0.5, 1, 2, 5, 10, 15)
_LAST_TRIES = 30.0
"""Seconds in which a file is tried to be written after the server has closed the log, or is gone."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


class Frames:
    """What comes by a pipe, document by document.

    Args:
        pipe: Its file descriptor.
    """

    def __init__(self, pipe: int):
        self._pipe, self._held = pipe, bytearray()
        self.open = True
        """Whether more may come."""

    def next(self, seconds: float) -> Any | None:
        """The next document; None where none comes in so many seconds, or at all."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self._held) >= 4:
                (length,) = struct.unpack_from("<I", self._held)
                if len(self._held) >= 4 + length:
                    document = pickle.loads(memoryview(self._held)[4 : 4 + length])
                    self._held = self._held[4 + length :]
                    return document
            if not self.open or not select.select([self._pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            data = os.read(self._pipe, 1 << 20)
            self.open = bool(data)
            self._held += data

    def closed(self) -> bool:
        """Whether the other end is closed, even if there is something left to read."""
        poll = select.poll()
        poll.register(self._pipe, 0)
        return any(event & select.POLLHUP for _, event in poll.poll(0))


class Shelf:
    """Where the files are put: a folder, or a prefix in S3.

    Args:
        place: A folder, or s3://bucket/prefix.
    """

    def __init__(self, place: str):
        self._place = place.rstrip("/")

    def put(self, key: str, data: bytes) -> None:
        """Puts a file there, whole or not at all."""
        if self._place.startswith("s3://"):
            bucket, _, prefix = self._place.removeprefix("s3://").rpartition("@")[2].partition("/")
            self._client.put_object(Bucket=bucket, Key=f"{prefix}/{key}".lstrip("/"), Body=data)
        else:
            from components.common.base.files import written_whole

            with written_whole(Path(self._place.removeprefix("file://")).expanduser() / key) as beside:
                beside.write_bytes(data)

    @cached_property
    def _client(self) -> Any:
        from components.common.storage.s3 import client

        return client(2)


class Writer:
    """Collects batches and writes them.

    Args:
        task: log, seconds, rows and name.
        frames: Where batches come from.
    """

    def __init__(self, task: dict[str, Any], frames: Frames):
        self._frames, self._rows, self._seconds = frames, task["rows"], task["seconds"]
        self._name = task["name"]
        self._shelf = Shelf(task["log"])
        self._count = 0

    def run(self) -> None:
        """Writes a file after so many rows or seconds, until no more comes."""
        while self._frames.open:
            batches: list[list[dict[str, Any]]] = []
            rows, due = 0, None
            while rows < self._rows and (due is None or time.monotonic() < due):
                batch = self._frames.next(3600 if due is None else max(0.0, due - time.monotonic()))
                if batch is not None:
                    batches.append(batch)
                    rows += sum(entry["rows"] for entry in batch)
                    due = due or time.monotonic() + self._seconds
                elif not self._frames.open:
                    break
            if batches:
                self._write(batches)

    def _write(self, batches: list[list[dict[str, Any]]]) -> None:
        """Writes files of what was collected; what cannot be made a table of is counted, not tried again."""
        entries = [entry for batch in batches for entry in batch]
        written = failed = 0
        for group in grouped(entries):
            table, bad = table_of(group)
            failed += bad
            if table.num_rows:
                self._put(self._key(group[0]), _parquet(table))
                written += table.num_rows
        # Of rows that the model refused there is nothing to tell.
        say("written", batches=len(batches), rows=written, failed=failed)

    def _put(self, key: str, data: bytes) -> None:
        """Puts a file on the shelf, if it takes hours; but no more than seconds when the server is gone."""
        gone = None
        for pause in _pauses():
            try:
                self._shelf.put(key, data)
                return
            except Exception as error:  # whatever boto3 and the disk come up with may pass
                words = str(error) if isinstance(error, Refusal) else f"{type(error).__name__}: {error}"
                say("problem", problem=redacted(words))
            until = time.monotonic() + pause
            while time.monotonic() < until:
                time.sleep(0.1)
                if gone is None and self._frames.closed():
                    gone = time.monotonic()
                if gone is not None:
                    break
            if gone is not None and time.monotonic() - gone > _LAST_TRIES:
                os._exit(1)
            if gone is not None:
                time.sleep(0.4)

    def _key(self, first: dict[str, Any]) -> str:
        self._count += 1
        moment = datetime.fromtimestamp(first["time"], UTC)
        host = _UNSAFE.sub("-", socket.gethostname())
        name = _UNSAFE.sub("_", self._name or first["model"]).lstrip(".") or "model"
        return f"{name}/date={moment:%Y-%m-%d}/{moment:%H%M%S}-{host}-{os.getpid()}-{self._count}.parquet"


def _pauses() -> Iterator[float]:
    yield from _PAUSES
    while True:
        yield _PAUSES[-1]


def _parquet(table: Any) -> bytes:
    import pyarrow.parquet as pq

    held = io.BytesIO()
    pq.write_table(table, held, compression="zstd")
    return held.getvalue()


def main() -> None:
    """Reads the task, then batches until stdin ends."""
    os.nice(5)  # Answers come first.
    for one in (signal.SIGINT, signal.SIGTERM):  # The server says when it is time, by the end of stdin.
        signal.signal(one, signal.SIG_IGN)
    frames = Frames(0)
    task = frames.next(60)
    if task is not None:
        Writer(task, frames).run()


if __name__ == "__main__":
    main()
