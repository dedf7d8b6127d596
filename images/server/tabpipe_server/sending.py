"""Answers written in one piece: uvicorn's way costs more than parsing the request did."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle


class Sending:
    """ASGI's `send` for one request: header and body of a plain answer are joined and written once.

    Header names and values are the application's own, and known to be valid. Anything out of the ordinary (HEAD, a
    body in several pieces, a client that does not read) goes uvicorn's way.
    """

    __slots__ = ("_cycle", "_start")

    def __init__(self, cycle: RequestResponseCycle):
        self._cycle, self._start = cycle, None

    async def send(self, message: Any) -> None:
        """Takes a message of the application."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        await self._send(message)
        if self._cycle.response_complete or self._cycle.disconnected:
            # The request and this hold each other: unless that is ended, its bytes wait for the garbage collector.
            self._cycle.__dict__.pop("send", None)

    async def _send(self, message: Any) -> None:
        cycle, start, self._start = self._cycle, self._start, None
        if start is None:
            await RequestResponseCycle.send(cycle, message)
            return
        status = start["status"]
        if message.get("more_body") or cycle.flow.write_paused or cycle.scope["method"] == "HEAD" or status == 204:
            await RequestResponseCycle.send(cycle, start)
            await RequestResponseCycle.send(cycle, message)
            return
        if cycle.disconnected:
            return
        parts = [STATUS_LINE[status]]
        for name, value in (*cycle.default_headers, *start["headers"]):
            if name == b"connection":
                cycle.keep_alive = False  # the application says nothing else of it than close
            else:
                parts += (name, b": ", value, b"\r\n")
        if not cycle.keep_alive:
            parts.append(b"connection: close\r\n")
        parts += (b"\r\n", message["body"])
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(b"".join(parts))
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
