"""How the server ends: it answers what it has accepted, and what waits to be accepted, before it goes."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import struct
from collections.abc import Callable
from typing import Any

import uvicorn

from tabpipe_server.protocol import watch

log = logging.getLogger(__name__)
_FRESH_SECONDS = 1.0
"""How long a connection that was just accepted may take to send its request, when all others are closed."""
_ATTACH_FILTER = 26  # SO_ATTACH_FILTER of Linux


class DrainingServer(uvicorn.Server):
    """uvicorn's server with an end in three steps: it drains, stops listening, and waits for the last answers.

    Args:
        config: uvicorn's.
        seconds: How long it goes on accepting after SIGTERM, while load balancers take note.
        patience: How long the last answers may take after that.
        timeout: How long a request may take to arrive.
        on_drain: Called at once when the end begins.
    """

    def __init__(
        self, config: uvicorn.Config, seconds: float, patience: float, timeout: float, on_drain: Callable[[], None]
    ):
        super().__init__(config)
        self._seconds, self._patience, self._timeout, self._on_drain = seconds, patience, timeout, on_drain

    def handle_exit(self, sig: int, frame: Any) -> None:
        """The first signal begins the end; the second ends at once."""
        if self.should_exit:
            os.write(2, b"second signal: ending at once\n")
            os._exit(128 + sig)
        self.should_exit = True
        self._on_drain()
        log.info("%s: draining for %g s", signal.Signals(sig).name, self._seconds)

    async def main_loop(self) -> None:
        """Serves until a signal, and on until the drain time is over."""
        connections: set[Any] = self.server_state.connections  # of `TimedProtocol`, whatever uvicorn may have besides
        self._watching = asyncio.create_task(watch(connections, self._timeout))
        await super().main_loop()
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while loop.time() < end:
            await asyncio.sleep(min(0.1, max(0.0, end - loop.time())))
            await self.on_tick(0)  # keeps the Date header right

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stops listening without losing who waits to be accepted, then waits for the last answers."""
        kept = [listener.dup() for listener in sockets or []]
        for listener in kept:
            _refuse_new(listener)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for listener in kept:
            await self._accept_waiting(listener)
            listener.close()
        connections: set[Any] = self.server_state.connections
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while connections and loop.time() < begun + self._patience:
            # One turn of the loop first, so that what has arrived is read before a connection is taken for idle.
            await asyncio.sleep(0.05)
            for connection in list(connections):
                if connection.requests or loop.time() > begun + _FRESH_SECONDS:
                    connection.shutdown()
                if not connection.requests and loop.time() > begun + _FRESH_SECONDS:
                    connection.transport.close()
        for connection in list(connections):
            log.warning("a connection is cut: its request or answer was not done within %g s", self._patience)
            connection.transport.abort()
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        for task in list(self.server_state.tasks):
            task.cancel()

    async def _accept_waiting(self, listener: socket.socket) -> None:
        """Accepts the connections that the kernel has made and nobody has taken yet."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        protocol: Any = self.config.http_protocol_class
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            await loop.connect_accepted_socket(
                lambda: protocol(config=self.config, server_state=self.server_state, app_state={}, _loop=loop),
                connection,
            )


def _refuse_new(listener: socket.socket) -> None:
    """Has the kernel drop packets that would open another connection: their senders try again, elsewhere or later.

    Else a connection could be made between the last look at the queue and the socket's end, and be reset.
    """
    drop_all = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0 bytes of every packet
    program = struct.pack("HL", 1, ctypes.addressof(drop_all))
    with contextlib.suppress(OSError):  # not Linux, or a sandbox: then the moment remains
        listener.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)
