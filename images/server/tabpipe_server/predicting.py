"""From a request for predictions to its answer: the path that has to be fast."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import logging
import os
import re
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from components.common.base.errors import Refusal
from components.common.inference.predictor import UTF8
from tabpipe_server.choosing import Choosing, Chosen
from tabpipe_server.errors import Unanswered, bad, bad_rows, from_refusal, unexpected
from tabpipe_server.invocations import Sent, columns_of, read_csv, read_document
from tabpipe_server.open_inference import answer_tensors, columns_of_tensors, intervals_of, read_tensors
from tabpipe_server.reading import (
    ClientGone,
    is_packed,
    media_type,
    read_body,
    unpacked,
    unpacked_if_small,
    unsupported,
)
from tabpipe_server.weighing import SMALL

if TYPE_CHECKING:
    from components.common.inference import Answered
    from tabpipe_server.executor import Answering
    from tabpipe_server.metrics import Metrics
    from tabpipe_server.settings import Settings

log = logging.getLogger(__name__)
_SANE = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_CLOSE = (b"connection", b"close")
_LINGER_SECONDS, _LINGER_BYTES = 2.0, 50_000_000
GONE = 499
"""The status that the metrics have for a client that left before its answer."""


class Predicting:
    """Answers requests for predictions.

    Args:
        settings: Limits and the API key.
        choosing: Which model answers.
        answering: Asks it.
        metrics: Counts.
        after: Called after each answer with what it was, for the log and the challenger in the shadow.
    """

    def __init__(self, settings: Settings, choosing: Choosing, answering: Answering, metrics: Metrics, after: Any):
        self._settings, self._choosing, self._answering = settings, choosing, answering
        self._metrics, self._after = metrics, after
        self._key = None if settings.api_key is None else settings.api_key.encode()
        self._prefix, self._numbers = os.urandom(6).hex(), itertools.count(1)
        self.active = 0
        self.draining = False

    async def answer(self, scope: Any, receive: Any, send: Any, tensors: bool, version: str | None = None) -> None:
        """Answers one request.

        Args:
            scope: ASGI's.
            receive: ASGI's.
            send: ASGI's.
            tensors: Whether it speaks the Open Inference Protocol.
            version: The version that the URL asks for.
        """
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = self._identified(headers)
        chosen: Chosen | None = None
        done: tuple | None = None
        try:
            if self._key is not None:
                self._check_key(headers)
            if self.active >= self._settings.waiting:
                raise self._busy()
            self.active += 1
            turn = False
            try:
                body, read, large = await self._received(scope, headers, receive, tensors)
                if large:
                    await self._answering.take_turn()
                    turn = True
                sent = await self._answering.aside(read, body) if large else read(body)
                del body, read
                if sent.id and b"x-request-id" not in headers and _SANE.fullmatch(sent.id.encode()):
                    request_id = sent.id
                if version is None:
                    key = _key_of(headers, sent, request_id)
                    chosen = self._choosing.for_key(key)
                else:
                    key, chosen = request_id, self._choosing.for_version(version)
                made, given = columns_of_tensors if tensors else columns_of, (sent, chosen.expected)
                columns, rows = await self._answering.aside(made, *given) if large else made(*given)
                answered = await self._answering.answer(chosen.served.predictor, columns, rows, large)
                if answered.faults:
                    self._metrics.refused.inc(len(answered.faults))
                    raise bad_rows(answered.faults, rows)
                if tensors:
                    body = answer_tensors(sent, chosen.served, answered, request_id)
                else:
                    body = _document(sent, chosen, answered, request_id)
            finally:
                self.active -= 1
                if turn:
                    self._answering.end_turn()
            status = 200
            more: tuple[tuple[bytes, bytes], ...] = ()
            done = (request_id, key, chosen, columns, rows, answered, sent)
        except ClientGone:
            self._metrics.request("infer" if tensors else "invocations", GONE, time.perf_counter() - started)
            return
        except Exception as error:
            fault = self._fault(error, request_id)
            status, more, body = fault.status, fault.headers, fault.body(request_id, plain=tensors)
        head = [
            *(chosen.head if chosen is not None else ((b"content-type", b"application/json"),)),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", request_id.encode()),
            *more,
        ]
        cut = status == 413
        if self.draining or cut:
            head.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body, "more_body": cut})
        seconds = time.perf_counter() - started
        self._metrics.request("infer" if tensors else "invocations", status, seconds)
        if done is not None:
            self._metrics.rows(done[2].served.role, done[4], done[5].unknown)
            self._after(*done, seconds)
        elif cut:
            await _linger(receive)
            await send({"type": "http.response.body", "body": b""})

    def _fault(self, error: Exception, request_id: str) -> Unanswered:
        """What the client is told of an exception."""
        if isinstance(error, Refusal):
            error = from_refusal(error)
        if not isinstance(error, Unanswered):
            log.error("request %s failed", request_id, exc_info=error)
            error = unexpected()
        self._metrics.fault(error.code)
        return error.with_traceback(None)  # else it and the frame that keeps it hold each other, and the body

    async def _received(
        self, scope: Any, headers: dict[bytes, bytes], receive: Any, tensors: bool
    ) -> tuple[bytes, Callable[[bytes], Sent], bool]:
        """The body, what reads it, and whether it is large: then that is for a thread."""
        media, settings = media_type(headers), self._settings
        if media == "application/json":
            if b"inference-header-content-length" in headers:
                raise bad(
                    "NO_BINARY_TENSORS",
                    "binary tensors are not read",
                    where="header Inference-Header-Content-Length",
                    rule="data in the JSON",
                    mend="send the tensors' data as JSON (binary_data=False)",
                )
            read = partial(read_tensors if tensors else read_document, settings)
        elif media == "text/csv" and not tensors:
            champion, _ = self._choosing.present()
            written = champion.served.predictor.csv if champion else (",", UTF8)
            if b"charset" in headers[b"content-type"].lower():
                written = written[0], UTF8
            read = partial(read_csv, settings, scope["query_string"], written)
        else:
            raise unsupported(headers.get(b"content-type", b""))
        packed = is_packed(headers)
        body = await read_body(headers, receive, settings.max_bytes)
        if packed:
            content = unpacked_if_small(body, min(SMALL, settings.max_bytes)) if len(body) <= SMALL else None
            if content is None:
                return body, lambda gzip: read(unpacked(gzip, settings.max_bytes)), True
            body = content
        return body, read, len(body) > SMALL

    def _identified(self, headers: dict[bytes, bytes]) -> str:
        given = headers.get(b"x-request-id")
        if given is not None and _SANE.fullmatch(given):
            return given.decode()
        return f"{self._prefix}-{next(self._numbers):x}"

    def _check_key(self, headers: dict[bytes, bytes]) -> None:
        given = headers.get(b"x-api-key")
        if not given:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            given = given.strip() if scheme.lower() == b"bearer" else b""
        if not hmac.compare_digest(given, self._key or b""):
            raise Unanswered(
                401,
                "UNAUTHENTICATED",
                "the API key is wrong" if given else "the request has no API key",
                rule="the header Authorization: Bearer KEY, or X-API-Key: KEY",
                mend="ask whoever runs the server for its key",
                headers=((b"www-authenticate", b"Bearer"),),
            )

    def _busy(self) -> Unanswered:
        return Unanswered(
            503,
            "BUSY",
            "the server is at its limit",
            rule=f"at most {self._settings.waiting} requests at once",
            mend="try again in a second",
            headers=((b"retry-after", b"1"),),
        )


def _key_of(headers: dict[bytes, bytes], sent: Sent, request_id: str) -> str:
    """What the request belongs to: the same key is always answered by the same model."""
    given = headers.get(b"x-request-key")
    if given:
        return given[:256].decode("latin-1")
    return sent.params.key or request_id


def _document(sent: Sent, chosen: Chosen, answered: Answered, request_id: str) -> bytes:
    """The answer in MLflow's shape. Name, version and id were encoded before, and need no escapes."""
    predicted = answered.predicted
    document: dict[str, Any] = {"predictions": predicted.tolist()}
    if sent.params.probabilities:
        if answered.probabilities is None:
            raise bad(
                "NO_PROBABILITIES",
                "this model has no probabilities",
                where="params.probabilities",
                rule="a classifier that has them",
                mend="leave the parameter out",
            )
        document["probabilities"] = np.ascontiguousarray(answered.probabilities)
        document["classes"] = chosen.served.predictor.classes
    if sent.params.intervals:
        intervals = intervals_of(chosen.served, "params.intervals")
        document["level"] = intervals.level
        if intervals.classes is None:
            document["intervals"] = intervals.bounds(predicted)
        else:
            assert answered.probabilities is not None  # training has refused classifiers without them
            document["sets"] = intervals.sets(answered.probabilities)
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)[:-1] + chosen.tail % request_id.encode()


async def _linger(receive: Any) -> None:
    """Reads on a little after a refusal: a connection closed upon unread bytes is reset, and the answer lost."""
    end, read = time.monotonic() + _LINGER_SECONDS, 0
    while time.monotonic() < end and read < _LINGER_BYTES:
        try:
            message = await asyncio.wait_for(receive(), _LINGER_SECONDS)
        except TimeoutError:
            return
        if message["type"] != "http.request" or not message["more_body"]:
            return
        read += len(message["body"])
