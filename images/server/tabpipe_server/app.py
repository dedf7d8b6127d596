"""The ASGI application: which path is answered by what."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tabpipe_server.errors import Unanswered, unexpected
from tabpipe_server.handlers import HTML, JSON, Looking, Page

if TYPE_CHECKING:
    from tabpipe_server.metrics import Metrics
    from tabpipe_server.predicting import Predicting
    from tabpipe_server.settings import Settings

log = logging.getLogger(__name__)
_GET, _POST = b"GET, HEAD, OPTIONS", b"POST, OPTIONS"


class App:
    """Sends each request to what answers it.

    Args:
        settings: Has the model's name.
        predicting: Answers predictions.
        looking: Answers everything else.
        metrics: Counts.
    """

    def __init__(self, settings: Settings, predicting: Predicting, looking: Looking, metrics: Metrics):
        self._predicting, self._looking, self._metrics = predicting, looking, metrics
        self._name = settings.name
        self._pages: dict[str, Callable[[], Page]] = {
            "/": looking.form,
            "/signature": looking.signature,
            "/openapi.json": looking.openapi,
            "/docs": looking.docs,
            "/metrics": looking.metrics,
            "/healthz": looking.healthz,
            "/readyz": looking.readyz,
            "/ping": looking.ping,
            "/health": looking.ping,
            "/version": looking.version,
            "/v2": looking.server,
            "/v2/health/live": looking.live,
            "/v2/health/ready": looking.ready,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers a request, as ASGI has it."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        if path == "/invocations" and method == "POST":
            await self._predicting.answer(scope, receive, send, tensors=False)
            return
        started = time.perf_counter()
        route = "other"  # a label of the metrics is never a text of the client's: each is kept for ever
        try:
            if path == "/invocations":
                route = "invocations"
                page = _only(method, _POST)
            elif (look := self._pages.get(path)) is not None:
                route = path
                page = look() if method in ("GET", "HEAD") else _only(method, _GET)
            elif path.startswith("/v2/models/"):
                route = "model"
                name, version, verb = self._parts(path)
                route = "infer" if verb == "infer" else "model"
                if verb == "infer" and method == "POST":
                    await self._predicting.answer(scope, receive, send, tensors=True, version=version)
                    return
                if method not in ("GET", "HEAD") or verb == "infer":
                    page = _only(method, _POST if verb == "infer" else _GET)
                else:
                    page = self._looking.model(name, version, verb)
            else:
                raise _nowhere(path)
        except Exception as error:
            page = self._failed(error, path)
        await self._respond(page, send)
        self._metrics.request(route, page[0], time.perf_counter() - started)

    def _parts(self, path: str) -> tuple[str, str | None, str]:
        """Name, version and what is asked of a model by the Open Inference Protocol.

        Raises:
            Unanswered: There is no such path or model: 404.
        """
        parts = path.split("/")[3:]
        version = None
        if len(parts) >= 3 and parts[1] == "versions" and parts[2]:
            version = parts.pop(2)
            parts.pop(1)
        verb = parts[1] if len(parts) == 2 else ""
        if len(parts) > 2 or verb not in ("", "infer", "ready") or (len(parts) == 2 and not verb):
            raise _nowhere(path)
        if parts[0] != self._name:
            raise Unanswered(
                404,
                "NO_SUCH_MODEL",
                "there is no such model here",
                value=parts[0],
                rule=f"the model's name: {self._name}",
                mend=f"ask /v2/models/{self._name}",
            )
        return parts[0], version, verb

    def _failed(self, error: Exception, path: str) -> Page:
        plain = path.startswith("/v2")
        if not isinstance(error, Unanswered):
            log.error("%s failed", path, exc_info=error)
            error = unexpected()
        self._metrics.fault(error.code)
        error.__traceback__ = None
        return error.status, JSON, error.body("", plain), error.headers

    async def _respond(self, page: Page, send: Any) -> None:
        status, kind, body, more = page
        head = [(b"content-length", b"%d" % len(body)), *more]
        if body:
            head += [(b"content-type", kind), (b"x-content-type-options", b"nosniff")]
        if kind == HTML:
            head.append((b"x-frame-options", b"DENY"))
        if self._predicting.draining:
            head.append((b"connection", b"close"))
        if status == 204:
            del head[0]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})


def _only(method: str, allowed: bytes) -> Page:
    """The answer to a method that a path has not, and to OPTIONS."""
    if method == "OPTIONS":
        return 204, JSON, b"", ((b"allow", allowed),)
    raise Unanswered(
        405,
        "METHOD_NOT_ALLOWED",
        "this path has no such method",
        value=method,
        rule=allowed.decode(),
        headers=((b"allow", allowed),),
    )


def _nowhere(path: str) -> Unanswered:
    return Unanswered(
        404, "NOT_FOUND", "there is nothing at this path", value=path, mend="GET /openapi.json lists all paths"
    )
