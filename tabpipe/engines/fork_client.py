"""The client of the warm process: starts it, asks it to run steps, stops it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, overload

from tabpipe.project import ROOT
from tabpipe.steps import steps

TRACKER = "tracker"
"""The job that writes records to MLflow; the others are steps."""


def preload() -> list[str]:
    """What the warm process imports, in the order of the steps; big packages in parts, since steps start in between."""
    return [module for step in steps().values() for module in step.preload]


def needs(job: str) -> list[str]:
    """What must be imported before a job is started; it would otherwise import it itself, for itself alone."""
    if job == TRACKER:
        return ["mlflow.sklearn"]
    return list(steps()[job].needs) if job in steps() else []


def available() -> bool:
    """Whether steps can be forked here: on Linux, since macOS's libraries do not survive it, unless switched off."""
    return sys.platform == "linux" and os.environ.get("TABPIPE_WARM", "1") != "0"


class Warm:
    """A warm process. Use it as a context manager; leaving it interrupts what still runs."""

    def __init__(self, log: Path):
        ours, theirs = socket.socketpair()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tabpipe.engines.fork_server", str(theirs.fileno()), json.dumps(preload())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **step_environment()},
                start_new_session=True,  # Ctrl-C reaches this process alone, which then ends the steps in order
            )
        theirs.close()
        self._connection = ours
        self._answers = ours.makefile("rb")
        self._lock = threading.Lock()
        self._count = 0
        self._done: dict[int, dict[str, Any]] = {}
        # Whether the warm process has closed its end. `Popen.poll` would tell too; but Ctrl-C in the midst of it can
        # leave its lock taken for ever, and `stop` then hangs.
        self._gone = False
        self._arrived = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, job: str, argv: list[str], log: Path, env: dict[str, str], code: str | None = None) -> int:
        """Asks for a job; returns a ticket for `wait`.

        Args:
            job: Its name: a step, or `TRACKER`.
            argv: Arguments of kfp's executor, or a module and its arguments where `code` is None.
            log: File that its output is appended to.
            env: Variables on top of the warm process's own.
            code: Source of a KFP component.
        """
        with self._lock:
            self._count += 1
            request = {
                "id": self._count,
                "needs": needs(job),
                "argv": argv,
                "env": env,
                "log": str(log),
                "code": code,
            }
            try:
                self._connection.sendall(json.dumps(request).encode() + b"\n")
            except OSError:  # it is gone; `wait` says so
                self._done[self._count] = {"id": self._count, "exit": -signal.SIGKILL, "peak_kb": 0}
            return self._count

    @overload
    def wait(self, ticket: int) -> dict[str, Any]: ...

    @overload
    def wait(self, ticket: int, timeout: float | None) -> dict[str, Any] | None: ...

    def wait(self, ticket: int, timeout: float | None = None) -> dict[str, Any] | None:
        """Blocks until a job has ended.

        Args:
            ticket: What `start` returned.
            timeout: Seconds to wait at the most.

        Returns:
            None if the time was up first; else
            `exit`, its exit code (negative: the signal that ended it), and `peak_kb`, its peak memory.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._arrived:
            while ticket not in self._done:
                if self._gone:
                    self._kill_orphans()
                    return {"id": ticket, "exit": -signal.SIGKILL, "peak_kb": 0}
                if deadline is not None and time.monotonic() > deadline:
                    return None
                self._arrived.wait(timeout=1.0)  # bounded, so that Ctrl-C is heard
            return self._done.pop(ticket)

    def stop(self) -> None:
        """Ends the warm process and all that it still runs."""
        if self._process.poll() is None:
            self._connection.shutdown(socket.SHUT_RDWR)
            try:
                self._process.wait(timeout=6)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._kill_orphans()
        self._answers.close()
        self._connection.close()

    def _kill_orphans(self) -> None:
        """Ends steps that have outlived the warm process, which leads their session."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _listen(self) -> None:
        try:
            for line in self._answers:
                answer = json.loads(line)
                with self._arrived:
                    self._done[answer["id"]] = answer
                    self._arrived.notify_all()
        except (OSError, ValueError):
            pass  # closed by stop()
        with self._arrived:
            self._gone = True
            self._arrived.notify_all()


def step_environment() -> dict[str, str]:
    """Variables that every local step gets: where the project is, and libraries kept quiet."""
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    return {
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        # OpenMP's threads sleep while they wait: awake they take turns with other processes, and to boost 20,000 rows
        # on a busy machine takes 32 s instead of 4.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # Arrow's own pool keeps what is freed, 30 MiB on the music table
    }
