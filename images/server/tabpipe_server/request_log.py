"""The log of requests and answers, as the server sees it: noted in microseconds, written by a child process.

What the child has not written yet is kept, up to a bound; beyond it, what is new is dropped and counted.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from tabpipe_server.children import Pauses, end, ended, said, started, written
from tabpipe_server.logentry import Entry, framed, plain
from tabpipe_server.redaction import redacted

log = logging.getLogger(__name__)

MOST_BYTES = 64 << 20
"""Of requests that wait to be written."""
LEAST_ROWS = 20_000
"""Rows that may wait in any case; else it is four files' worth."""
_AT_ONCE = 32
"""Entries that are packed in one go: other threads wait for so long."""
_TICK = 0.25
_ENDS = 3
_STUCK = 180.0
"""Seconds without a word of a child that has work, beyond those that it collects rows for."""


class Logbook:
    """Notes requests and answers.

    Args:
        settings: Has log, log_seconds, log_rows and name; without a log, nothing is noted.
    """

    def __init__(self, settings: Any):
        self._task: dict[str, Any] = {
            "log": str(settings.log or ""),
            "seconds": float(settings.log_seconds),
            "rows": int(settings.log_rows),
            "name": settings.name or "",
        }
        self.on = bool(settings.log)
        self.dropped = self.written = self.failed = 0
        """Rows that found no place, that are in a file, and that were lost later."""
        self.problem = ""
        """Why nothing can be written at present; empty if it can."""
        self._most_rows = max(LEAST_ROWS, 4 * self._task["rows"])
        self._lock = threading.Lock()
        self._noted: deque[Entry] = deque()
        self._rows = self._bytes = 0
        self._packed: deque[tuple[bytes, int]] = deque()
        """Batches that are not in a file yet, the oldest first, each with its rows."""
        self._sent = 0
        """How many of them the present child has."""
        self._ends = 0
        self._wake = threading.Event()
        self._stopping = self._leaving = False
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name="logbook", daemon=True)

    @property
    def waiting(self) -> int:
        """Rows that are not in a file yet."""
        return self._rows

    @property
    def pid(self) -> int | None:
        """The child's process id; None where none runs."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Starts the thread, and it the child."""
        if self.on:
            self._thread.start()

    def note(self, entry: Entry) -> None:
        """Takes an entry, or drops it where there is no place. Never waits."""
        if not self.on:
            return
        with self._lock:
            if self._rows and (self._rows + entry.rows > self._most_rows or self._bytes + entry.size > MOST_BYTES):
                self.dropped += entry.rows
                return
            self._noted.append(entry)
            self._rows += entry.rows
            self._bytes += entry.size
            full = len(self._noted) == 4 * _AT_ONCE
        if full:
            self._wake.set()

    def stop(self, seconds: float) -> None:
        """Lets the child write what there is, for so long; what is not written then is lost, and counted as failed."""
        if not self.on or not self._thread.is_alive():
            return
        self._stopping = True
        self._wake.set()
        self._thread.join(max(0.0, seconds))
        if self._thread.is_alive():
            self._leaving = True
            process = self._process
            if process:
                process.kill()
            self._wake.set()
            self._thread.join(2)
        with self._lock:
            lost, self._rows = self._rows, 0
            self.failed += lost
        if lost:
            log.error("%d rows of the log were not written within %g s and are lost: %s", lost, seconds, self.problem)

    # --- the thread

    def _run(self) -> None:
        pauses = Pauses()
        while not self._done():
            pauses.started()
            try:
                code = self._serve()
                words = ended(code)
            except Exception as error:  # no process can be started, or an entry is unlike any
                words = redacted(error)
            if self._done():
                return
            log.warning("the process that writes the log ended (%s); it is started again", words)
            self._give_up_poison()
            due = time.monotonic() + pauses.next()
            while time.monotonic() < due and not self._stopping:
                self._wait(_TICK)
                self._pack()

    def _serve(self) -> int:
        """Starts a child and hands it what there is, until it ends or there is nothing left to do."""
        process = self._process = started("tabpipe_server.logwriter")
        assert process.stdin is not None and process.stdout is not None
        self._sent, self._heard = 0, time.monotonic()
        reader = threading.Thread(target=self._hear, args=(process,), name="logwriter's words", daemon=True)
        reader.start()
        pipe = process.stdin.fileno()
        os.set_blocking(pipe, False)
        left = memoryview(framed(self._task))
        try:
            while process.poll() is None and not self._leaving:
                self._pack()
                if not left and self._sent < len(self._packed):
                    with self._lock:
                        left = memoryview(self._packed[self._sent][0])
                        self._sent += 1
                if left:
                    left = left[written(pipe, left, _TICK) :]
                elif self._stopping and not self._noted:
                    process.stdin.close()  # The child writes what it has, and ends.
                    while process.poll() is None and not self._leaving:
                        time.sleep(0.02)
                    break
                else:
                    self._wait(_TICK)
                self._mind(process)
            return end(process, 0)
        except OSError:  # it ended while it was written to
            return end(process, 1)
        finally:
            end(process, 0)
            reader.join(2)
            process.stdout.close()

    def _pack(self) -> None:
        """Turns what was noted into bytes, a few at a time: they take a tenth of the memory."""
        while self._noted:
            entries = [self._noted.popleft() for _ in range(min(_AT_ONCE, len(self._noted)))]
            size = rows = 0
            for entry in entries:
                size, rows = size + entry.size, rows + entry.rows
            try:
                payload = framed([plain(entry) for entry in entries])
            except Exception as error:
                self.problem = f"a request could not be packed: {redacted(error)}"
                with self._lock:
                    self.failed += rows
                    self._rows, self._bytes = self._rows - rows, self._bytes - size
                continue
            with self._lock:
                self._packed.append((payload, rows))
                self._bytes += len(payload) - size

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        """Hears what became of the batches."""
        try:
            for one in said(process):
                self._heard = time.monotonic()
                if isinstance(one, str):
                    log.info("logwriter: %s", redacted(one))
                elif one["event"] == "written":
                    self._count(one)
                elif one["event"] == "problem":
                    if self.problem != one["problem"]:
                        log.warning("the log cannot be written: %s", one["problem"])
                    self.problem = one["problem"]
        except ValueError:  # the pipe was closed
            pass
        self._wake.set()

    def _count(self, one: Mapping[str, Any]) -> None:
        if self.problem:
            log.info("the log is written again")
        self.problem = ""
        with self._lock:
            for _ in range(one["batches"]):
                payload, rows = self._packed.popleft()
                self._rows -= rows
                self._bytes -= len(payload)
            self._sent -= one["batches"]
            self._ends = 0
            self.written += one["rows"]
            self.failed += one["failed"]

    def _give_up_poison(self) -> None:
        """Gives up the oldest batch if it was the first that three children in a row were given, and they ended."""
        self._ends = self._ends + 1 if self._sent else 0
        if self._ends == _ENDS:
            self._ends = 0
            with self._lock:
                payload, rows = self._packed.popleft()
                self._rows, self._bytes, self.failed = self._rows - rows, self._bytes - len(payload), self.failed + rows
            log.error("%d rows of the log are given up: %d processes ended over them", rows, _ENDS)

    def _mind(self, process: subprocess.Popen[bytes]) -> None:
        """Ends a child that does not say a word any more, although it has work."""
        if not self._sent:
            self._heard = time.monotonic()
        elif time.monotonic() - self._heard > self._task["seconds"] + _STUCK:
            self.problem = "the process that writes the log hangs"
            process.kill()

    def _wait(self, seconds: float) -> None:
        """Waits, unless there is something to do before."""
        if self._wake.wait(seconds):
            self._wake.clear()

    def _done(self) -> bool:
        return self._leaving or (self._stopping and not self._rows)
