"""uvicorn's HTTP protocol with limits of time: for a request's header, its body and its reader."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tabpipe_server.errors import Unanswered
from tabpipe_server.sending import Sending

KEEP_ALIVE = 75
"""Seconds for which an idle connection is kept: longer than what load balancers keep theirs."""


_PIECE = 16_384
"""Bytes that are parsed in one go: requests in them wait in memory as objects, what follows them only as bytes."""


_HEAD = 65_536
"""Bytes that a request's line and headers may have, give or take a piece."""
_UPGRADE = re.compile(rb"(?im)^upgrade:[^\r\n]*\r\n")


class _Flow(FlowControl):
    """Reads on only when there is nothing left to parse.

    uvicorn reads on after each answer. A client that sends requests without end before it reads the first answer would
    fill the memory.
    """

    held = b""

    def resume_reading(self) -> None:
        if not self.held:
            super().resume_reading()


class TimedProtocol(HttpToolsProtocol):
    """Knows since when it waits for the rest of a request; `watch` looks at all connections now and then."""

    flow: _Flow

    def connection_made(self, transport: Any) -> None:
        """A new connection owes a request."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
        self.reading_since: float | None = self.loop.time()
        self.stuck_since = 0.0
        self.unsent = 0
        self.requests = 0
        self.in_head, self.head_bytes = True, 0

    def data_received(self, data: bytes) -> None:
        """Bytes have come; while earlier requests wait for their answers they are not looked at."""
        if not self.flow.held and not self.pipeline and len(data) <= _PIECE:
            self._parse(data)
            return
        self.flow.held += data
        self._parse_held()

    def _parse_held(self) -> None:
        flow = self.flow
        while flow.held and not self.pipeline and not self.transport.is_closing():
            piece, flow.held = flow.held[:_PIECE], flow.held[_PIECE:]
            self._parse(piece)
        if self.transport.is_closing():
            flow.held = b""
        if flow.held:
            flow.pause_reading()

    def _parse(self, data: bytes) -> None:
        """Parses a piece, unless it makes a header too long.

        The offer of another protocol is taken out, as a server may ignore it: the parser would skip the body after it.
        """
        if self.in_head:
            self.head_bytes += len(data)
            if self.head_bytes > _HEAD + _PIECE:
                self.flow.held = b""
                self._refuse(
                    Unanswered(431, "HEADER_TOO_LARGE", "the request's header is too large", rule=f"{_HEAD} bytes")
                )
                return
            if b"pgrade" in data:
                head, end, body = data.partition(b"\r\n\r\n")
                data = _UPGRADE.sub(b"", head + end[:2]) + end[2:] + body
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The header is here, and what follows is the body."""
        self.in_head = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """An answer is out."""
        super().on_response_complete()
        if self.flow.held and not self.pipeline:
            self._parse_held()
            self.flow.resume_reading()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        cycle.send = Sending(cycle).send
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        """The first byte of a request is here."""
        super().on_message_begin()
        self.requests += 1
        self.reading_since = self.loop.time()
        self.in_head, self.head_bytes = True, 0

    def on_message_complete(self) -> None:
        """The last byte of a request is here."""
        self.reading_since = None
        self.in_head, self.head_bytes = True, 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Bytes that are no HTTP, told in the shape of all errors."""
        if self.cycle is not None and not self.cycle.response_complete and self.cycle.response_started:
            self.transport.close()
            return
        self._refuse(
            Unanswered(
                400,
                "NOT_HTTP",
                "this is no valid HTTP request",
                rule="RFC 9112; Content-Length is the number of the body's bytes",
            )
        )

    def _refuse(self, fault: Unanswered) -> None:
        body = fault.body("")
        self.counted(fault)
        self.transport.write(
            b"".join(
                [
                    STATUS_LINE[fault.status],
                    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body),
                    body,
                ]
            )
        )
        self.transport.close()

    def counted(self, fault: Unanswered) -> None:
        """Overridden by the class that `protocol_class` makes."""

    def is_idle(self) -> bool:
        """Whether no request is begun or being answered."""
        idle = self.reading_since is None and not self.pipeline and not self.flow.held
        return idle and (self.cycle is None or self.cycle.response_complete)

    def shutdown(self) -> None:
        """Ends an idle connection; one with a request ends after its answer."""
        if self.is_idle():
            self.transport.close()
        elif self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False

    def look(self, now: float, timeout: float) -> None:
        """Ends a connection whose client is too slow in sending or in reading."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self.unsent:
            self.unsent, self.stuck_since = unsent, now
        elif now - self.stuck_since > timeout:
            self.transport.abort()  # nobody takes the answer
            return
        if self.transport.is_closing():
            return
        if self.reading_since is None or now - self.reading_since <= timeout:
            return
        if self.pipeline or (self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body):
            return  # an earlier request on this connection is being answered, and reading is paused
        if self.requests == 0 or (self.cycle is not None and self.cycle.response_started and not self._in_header()):
            self.transport.close()  # nothing was asked, or the answer is out and the rest of the body never came
            return
        self._refuse(
            Unanswered(
                408,
                "TIMEOUT_READING",
                "the request did not arrive in time",
                rule=f"{timeout:g} seconds for the header and the body",
                mend="send it faster, or in several requests",
            )
        )

    def _in_header(self) -> bool:
        return "path" not in self.scope


def protocol_class(count: Callable[[Unanswered], None]) -> type[TimedProtocol]:
    """The protocol for uvicorn.

    Args:
        count: Called with each fault that the application does not see.
    """

    class Protocol(TimedProtocol):
        def counted(self, fault: Unanswered) -> None:
            count(fault)

    return Protocol


async def watch(connections: set[TimedProtocol], timeout: float) -> None:
    """Looks at all connections for ever: one clock for all costs a request nothing."""
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(min(0.5, timeout / 4))
        now = loop.time()
        for connection in list(connections):
            connection.look(now, timeout)
