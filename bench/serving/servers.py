"""Starting, watching and stopping servers, each by its pid."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.serving.load import ask

ROOT = Path(__file__).resolve().parents[2]
_LONGEST_START = 90.0
_LONGEST_STOP = 15.0
_LOOK = 0.01
"""Seconds between two tries to get the first answer."""


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    name: str
    port: int
    process: psutil.Process
    start: float
    """Seconds from its start to its first answer."""
    log: Path
    """What it prints."""

    def processor(self) -> float:
        """Seconds that its processes have computed."""
        spent = 0.0
        for one in [self.process, *self.process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                times = one.cpu_times()
                spent += times.user + times.system
        return spent

    def said(self) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-3000:]


def commands(folder: Path, port: int, scratch: Path) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Each server's command and variables, to serve a model's folder at a port of this machine."""
    mlflow = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"  # mlflow looks for uvicorn
    ours = {
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")]),
        "TABPIPE_SERVE_MODEL": str(folder),
        "TABPIPE_SERVE_HOST": "127.0.0.1",
        "TABPIPE_SERVE_PORT": str(port),
        "TABPIPE_SERVE_CACHE": str(scratch / "cache"),
        "TABPIPE_SERVE_DRAIN": "0",
    }
    return {
        "mlflow": ([*mlflow, "--host", "127.0.0.1", "--port", str(port)], {"PATH": path}),
        "tabpipe": ([sys.executable, "-m", "tabpipe_server"], ours),
    }


@contextlib.contextmanager
def serving(
    name: str, command: list[str], env: Mapping[str, str], port: int, body: bytes, log: Path
) -> Iterator[Server]:
    """Runs a server while the block runs.

    Args:
        name: What it is called.
        command: Its command.
        env: Variables of its own.
        port: Where it will listen.
        body: A request for which it gives its first answer.
        log: A file for what it prints.

    Raises:
        SystemExit: It ends or does not answer in time.
    """
    with log.open("wb") as out:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env={**inherited(), **env}, stdout=out, stderr=out)
    try:
        while not _answers(port, body):
            if process.poll() is not None or time.perf_counter() - started > _LONGEST_START:
                said = log.read_text(errors="replace")[-3000:]
                raise SystemExit(f"{name} does not answer; its exit code is {process.poll()}:\n{said}")
            time.sleep(_LOOK)
        yield Server(name, port, psutil.Process(process.pid), time.perf_counter() - started, log)
    finally:
        stop(process)


def inherited() -> dict[str, str]:
    """The environment without what would send a bench's run or its servers elsewhere."""
    own = ("MLFLOW_", "TABPIPE_", "MAKE", "MFLAGS", "ARGS")
    return {key: value for key, value in os.environ.items() if not key.startswith(own)}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a process and those that it started, in order if it can be."""
    try:
        root = psutil.Process(process.pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        family = []
    for some in (family[:1], family[1:]):  # its own first, so that it can end its children in order
        for one in some:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.terminate()
        _, left = psutil.wait_procs(some, timeout=_LONGEST_STOP)
        for one in left:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def free_port() -> int:
    """A port of the loopback device that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


def _answers(port: int, body: bytes) -> bool:
    """Whether a server answers by now; one that refuses the request never will."""
    try:
        answer = ask("127.0.0.1", port, body, 30.0)
    except OSError:
        return False
    if answer[9:10] == b"4":
        raise SystemExit(f"the request is refused: {answer[:1000].decode(errors='replace')}")
    return answer[9:12] == b"200"


@contextlib.contextmanager
def peak_memory(process: psutil.Process, every: float = 0.1) -> Iterator[list[float]]:
    """Watches the memory of a process and all below it while the block runs.

    Args:
        process: The process.
        every: Seconds between two looks.

    Yields:
        A list whose one item is the peak in MiB: on Linux of the proportional set sizes, in which a page that
        processes share counts once.
    """
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while True:
            with contextlib.suppress(psutil.Error):
                peak[0] = max(
                    peak[0], sum(_memory(one) for one in [process, *process.children(recursive=True)]) / 2**20
                )
            if done.wait(every):
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _memory(process: psutil.Process) -> int:
    try:
        return process.memory_full_info().pss if sys.platform == "linux" else process.memory_info().rss
    except psutil.Error:
        return 0
