"""Child processes of the server: those that import MLflow, boto3 and pyarrow, so that the server need not.

A child is told all by its stdin, whose end tells it that the server is gone, and answers in lines of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PAUSES = (0.5, 1, 2, 5, 10, 30)
_PATIENCE = {"MLFLOW_HTTP_REQUEST_TIMEOUT": 15, "MLFLOW_HTTP_REQUEST_MAX_RETRIES": 1}
"""MLflow's own patience is minutes, and steps need it; whoever asks again in a few seconds does not."""
_LONG_LIVED = 60
"""Seconds after which an end is not counted together with the ends before."""


def started(module: str) -> subprocess.Popen[bytes]:
    """Starts a module as a child of this process, in a session of its own, so that Ctrl-C reaches the server alone."""
    roots = [str(Path(__file__).resolve().parents[1]), str(_root_of("components"))]
    before = os.environ.get("PYTHONPATH")
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        **os.environ,
        **{name: _at_most(name, most) for name, most in _PATIENCE.items()},
        "PYTHONPATH": os.pathsep.join([*roots, before] if before else roots),
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )


def _at_most(name: str, most: int) -> str:
    given = os.environ.get(name, "")
    return given if given.isdecimal() and int(given) < most else str(most)


def said(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any] | str]:
    """What a child says until it ends: documents, and other lines as they are."""
    assert process.stdout is not None
    for raw in process.stdout:
        line = raw.decode("utf-8", "replace").strip()
        if not line:
            continue
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        yield document if isinstance(document, dict) and "event" in document else line


def tell(process: subprocess.Popen[bytes], document: dict[str, Any]) -> None:
    """Tells a child something, on a line of JSON. If it has ended, that is heard elsewhere."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.write(json.dumps(document).encode() + b"\n")
        process.stdin.flush()


def written(pipe: int, data: memoryview, seconds: float) -> int:
    """Writes what a pipe that does not block takes now, and gives how much; waits so long where it is full."""
    try:
        return os.write(pipe, data[: 1 << 16])
    except BlockingIOError:
        select.select([], [pipe], [], seconds)
        return 0


def say(event: str, **more: Any) -> None:
    """Says a document to the server; called by a child. What else may stand on the line is ended first."""
    line = "\n" + json.dumps({"event": event, **more}) + "\n"
    try:
        os.write(1, line.encode())
    except BrokenPipeError:
        os._exit(0)  # Nobody listens any more.


def end(process: subprocess.Popen[bytes], seconds: float) -> int:
    """Ends a child: by the end of its stdin, then by signals. It leaves no zombie.

    Args:
        process: The child.
        seconds: How long it may take to end by itself.

    Returns:
        Its exit code.
    """
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    try:
        code = process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        process.kill()
        code = process.wait()
    return code


def ended(code: int) -> str:
    """An exit code in words."""
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


class Pauses:
    """How long to wait before a child that ended is started again: longer each time, unless it lived long."""

    def __init__(self) -> None:
        self._ends = 0
        self._since = time.monotonic()

    def started(self) -> None:
        """Notes the start of a child."""
        self._since = time.monotonic()

    def next(self) -> float:
        """Seconds to wait, after a child ended."""
        self._ends = 1 if time.monotonic() - self._since > _LONG_LIVED else self._ends + 1
        return _PAUSES[min(self._ends, len(_PAUSES)) - 1]


def _root_of(package: str) -> Path:
    """The folder that a package is imported from."""
    import importlib

    found = importlib.import_module(package)
    return Path(next(iter(found.__path__))).resolve().parent
