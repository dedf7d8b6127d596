"""`tabpipe serve`: the server on this machine, a child of this process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from components.common.base.errors import Refusal
from tabpipe.project import ROOT
from tabpipe.serving.server_settings import Wanted
from tabpipe.serving.server_variables import PREFIX
from tabpipe.serving.wait_ready import how_to_ask, until_ready


def serve_here(wanted: Wanted, port: int) -> int:
    """Serves until interrupted; returns 0 then, and the server's exit code where that ends by itself.

    Args:
        wanted: What to serve.
        port: On 127.0.0.1, or on the address of TABPIPE_SERVE_HOST.

    Raises:
        Refusal: The port is taken, or the server does not become ready.
    """
    host = wanted.environment.get(f"{PREFIX}HOST") or "127.0.0.1"
    refuse_taken(host, port)
    # Ctrl-C reaches the whole terminal; the server is told to end by us, once, so that it drains.
    server = subprocess.Popen(
        [sys.executable, "-m", "tabpipe_server"],
        env={**os.environ, **wanted.environment, f"{PREFIX}PORT": str(port), **_python()},
        start_new_session=True,
    )
    with _ended(server):
        url = f"http://{_reached(host)}:{port}"
        until_ready(url, lambda: _ending(server))
        try:
            tell(wanted, url)
            return server.wait()
        except KeyboardInterrupt:  # that is how it is meant to end
            return 0


def tell(wanted: Wanted, url: str) -> None:
    """Says what is served where, and how to ask it."""
    lines = [f"{wanted.shown} ({wanted.model}) is served at {url}  (Ctrl-C ends it)"]
    if wanted.beside:
        lines.append(f"  challenger {wanted.beside}")
    lines += how_to_ask(url, bool(wanted.environment.get(f"{PREFIX}API_KEY")))
    if log := wanted.environment.get(f"{PREFIX}LOG"):
        lines.append(f"  the log   {log}")
    print("\n".join(lines), flush=True)


def refuse_taken(host: str, port: int) -> None:
    """Refuses a port that another program listens on."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Refusal(
                f"the port cannot be listened on: {error.strerror}",
                where="--port",
                value=f"{host}:{port}",
                mend="end what listens there, or choose another: make serve PORT=8001",
            ) from None


def _python() -> dict[str, str]:
    """Where the server's code is, and libraries kept to one thread: requests are what is done in parallel."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "images" / "server"), os.environ.get("PYTHONPATH", "")])
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    single = {name: os.environ.get(name, "1") for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    return {"PYTHONPATH": path.rstrip(os.pathsep), "PYTHONUNBUFFERED": "1", **quiet, **single}


def _reached(host: str) -> str:
    """The name by which this machine reaches a server that listens on a host."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host


def _ending(server: subprocess.Popen[bytes]) -> str:
    code = server.poll()
    return "" if code is None else f"the server has ended at its start (exit code {code}); what it said is above"


@contextmanager
def _ended(server: subprocess.Popen[bytes]) -> Iterator[None]:
    """Ends the server with the block, however that ends; a second Ctrl-C does not wait for what it is still asked."""
    try:
        yield
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait()
            except KeyboardInterrupt:
                server.kill()
                server.wait()
