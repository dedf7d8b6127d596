"""Puts the server together and runs it."""

from __future__ import annotations

import argparse
import gc
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

from components.common.base.errors import Refusal
from tabpipe_server.settings import Settings, explained, settings_of

log = logging.getLogger("tabpipe_server")
_BACKLOG = 2048


def main(arguments: list[str] | None = None) -> int:
    """Runs the server until it is told to end.

    Returns:
        The exit code: 0 after a graceful end, 2 for a setting that is not accepted.
    """
    argparse.ArgumentParser(
        prog="python -m tabpipe_server",
        description="Serves a model by MLflow's scoring protocol and the Open Inference Protocol v2.",
        epilog="It is configured by environment variables, each with an example here:\n" + explained(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    try:
        settings = settings_of()
        listener = _listening(settings)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 2
    return serve(settings, listener)


def serve(settings: Settings, listener: socket.socket) -> int:
    """Serves on a socket that is bound already."""
    import uvicorn

    from tabpipe_server.models import Models
    from tabpipe_server.protocol import KEEP_ALIVE, protocol_class
    from tabpipe_server.watching import Watcher

    logbook: Any = None
    if settings.log:
        from tabpipe_server.request_log import Logbook

        logbook = Logbook(settings)
        logbook.start()
    models = Models()
    app, parts = assembled(settings, models, logbook)
    watcher = Watcher(settings, models, parts.metrics.swapped)
    watcher.start()
    config = uvicorn.Config(
        app,
        http=protocol_class(parts.count),
        loop="uvloop",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        backlog=_BACKLOG,
    )
    from tabpipe_server.draining import DrainingServer

    server = DrainingServer(
        config, settings.drain, patience=2 * settings.timeout, timeout=settings.timeout, on_drain=parts.drain
    )
    # What was imported lives as long as the process: the collector need not look at it at every full round.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    address = listener.getsockname()
    log.info("listening on http://%s:%d", address[0], address[1])
    try:
        server.run(sockets=[listener])
    finally:
        watcher.stop()
        parts.answering.stop()
        if logbook is not None:
            logbook.stop(settings.timeout)
    log.info("ended")
    return 0


class Parts:
    """What the application is made of, for who starts and ends it."""

    def __init__(self, settings: Settings, models: Any, logbook: Any):
        from tabpipe_server.choosing import Choosing
        from tabpipe_server.executor import Answering
        from tabpipe_server.metrics import Metrics
        from tabpipe_server.predicting import Predicting
        from tabpipe_server.shadow import Afterwards

        self.metrics, self.answering = Metrics(), Answering(settings.timeout)
        self.choosing = Choosing(models, settings)
        afterwards = Afterwards(settings, models, self.answering, self.metrics, logbook)
        self.predicting = Predicting(settings, self.choosing, self.answering, self.metrics, afterwards)

    def drain(self) -> None:
        """The end begins."""
        self.predicting.draining = True

    def count(self, fault: Any) -> None:
        """Counts a fault that the protocol saw."""
        self.metrics.fault(fault.code)
        self.metrics.request("other", fault.status, 0.0)


def assembled(settings: Settings, models: Any, logbook: Any = None) -> tuple[Any, Parts]:
    """The application and its parts.

    Args:
        settings: The settings.
        models: `Models`, which a watcher fills.
        logbook: Takes an entry per answer; None for no log.
    """
    from tabpipe_server.app import App
    from tabpipe_server.handlers import Looking

    parts = Parts(settings, models, logbook)
    metrics = parts.metrics
    metrics.gauge("active_requests", "Requests that are being answered", lambda: parts.predicting.active)
    metrics.gauge("ready", "Whether a model is in place", lambda: float(models.champion is not None))

    def entries(name: str) -> Callable[[], float]:
        return lambda: float(getattr(logbook, name))

    for name in ("written", "dropped", "failed") if logbook is not None else ():
        metrics.gauge(f"log_{name}", f"Log entries {name}", entries(name))
    looking = Looking(settings, models, parts.choosing, parts.predicting, metrics)
    return App(settings, parts.predicting, looking, metrics), parts


def _listening(settings: Settings) -> socket.socket:
    """Takes the address.

    Raises:
        Refusal: It cannot be had.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
        return listener
    except OSError as error:
        raise Refusal(
            f"cannot listen: {error.strerror or error}",
            where="TABPIPE_SERVE_HOST and TABPIPE_SERVE_PORT",
            value=f"{settings.host}:{settings.port}",
            rule="an address of this machine and a port that is free",
            mend="take another port; 0 takes a free one",
        ) from None
