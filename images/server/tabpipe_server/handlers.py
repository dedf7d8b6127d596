"""Everything that is asked by GET: health, metrics, the form page and what the protocols tell of the model."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import orjson

from tabpipe_server import metrics as measured
from tabpipe_server.open_inference import metadata

if TYPE_CHECKING:
    from tabpipe_server.choosing import Choosing
    from tabpipe_server.metrics import Metrics
    from tabpipe_server.models import Models
    from tabpipe_server.predicting import Predicting
    from tabpipe_server.settings import Settings

Page = tuple[int, bytes, bytes, tuple[tuple[bytes, bytes], ...]]
"""Status, content type, body, more headers."""
JSON, HTML, TEXT = b"application/json", b"text/html; charset=utf-8", b"text/plain; charset=utf-8"


def _json(document: Any, status: int = 200) -> Page:
    return status, JSON, orjson.dumps(document), ()


def mlflow_version() -> str:
    """The version of MLflow whose protocol this speaks: that which is installed, without importing it."""
    for package in ("mlflow-skinny", "mlflow"):
        try:
            return version(package)
        except PackageNotFoundError:
            continue
    return "3"


class Looking:
    """Answers what is asked by GET.

    Args:
        settings: For the OpenAPI document.
        models: What is in place.
        choosing: The same, by version.
        predicting: Knows whether the server is draining.
        metrics: What Prometheus is told.
    """

    def __init__(
        self, settings: Settings, models: Models, choosing: Choosing, predicting: Predicting, metrics: Metrics
    ):
        self._settings, self._models, self._choosing = settings, models, choosing
        self._predicting, self._metrics, self._mlflow = predicting, metrics, mlflow_version()

    def form(self) -> Page:
        """The page with a form."""
        from tabpipe_server.page import page_for, signature_of

        champion = self._models.champion
        page = page_for(signature_of(champion) if champion else None)
        return 200 if champion else 503, HTML, page.encode(), ()

    def signature(self) -> Page:
        """What the form is made from."""
        from tabpipe_server.page import signature_of

        if self._models.champion is None:
            raise self._choosing.not_ready()
        return _json(signature_of(self._models.champion))

    def openapi(self) -> Page:
        """The OpenAPI document."""
        from tabpipe_server.openapi import document

        return _json(document(self._settings.name, self._models.champion, self._settings))

    def docs(self) -> Page:
        """The OpenAPI document as a page."""
        from tabpipe_server.openapi import docs_page, document

        page = docs_page(document(self._settings.name, self._models.champion, self._settings))
        return 200, HTML, page.encode(), ()

    def metrics(self) -> Page:
        """Prometheus's text."""
        return 200, measured.CONTENT_TYPE, self._metrics.text(), ()

    def healthz(self) -> Page:
        """The process lives."""
        return _json({"status": "alive"})

    def _why_not(self) -> str:
        if self._predicting.draining:
            return "the server is shutting down"
        if self._models.champion is None:
            return self._models.problem or "no model is in place yet"
        return ""

    def readyz(self) -> Page:
        """Whether requests should be sent here, and why not."""
        reason = self._why_not()
        told: dict[str, Any] = {"status": "not ready" if reason else "ready"}
        if reason:
            told["reason"] = reason
        for served in (self._models.champion, self._models.challenger):
            if served is not None:
                path = {"path": served.predictor.path, "why": served.predictor.why}
                told[served.role] = {"name": served.name, "version": served.version, "digest": served.digest, **path}
        if self._models.problem:
            told["problem"] = self._models.problem
        return _json(told, 503 if reason else 200)

    def ping(self) -> Page:
        """MLflow's health check: an empty line."""
        return 503 if self._why_not() else 200, JSON, b"\n", ()

    def version(self) -> Page:
        """MLflow's version."""
        return 200, TEXT, self._mlflow.encode(), ()

    def server(self) -> Page:
        """The server, to the Open Inference Protocol."""
        return _json({"name": "tabpipe", "version": "2", "extensions": []})

    def live(self) -> Page:
        """Liveness, to the Open Inference Protocol."""
        return _json({"live": True})

    def ready(self) -> Page:
        """Readiness, to the Open Inference Protocol."""
        ready = not self._why_not()
        return _json({"ready": ready}, 200 if ready else 503)

    def model(self, name: str, asked: str | None, verb: str) -> Page:
        """A model's metadata or readiness, to the Open Inference Protocol."""
        if verb == "ready":
            if asked is not None:
                self._choosing.for_version(asked)
            ready = not self._why_not()
            return _json({"name": name, "ready": ready}, 200 if ready else 503)
        chosen = self._choosing.for_version(asked) if asked is not None else self._choosing.present()[0]
        if chosen is None:
            raise self._choosing.not_ready()
        present = [one.served.version for one in self._choosing.present() if one is not None]
        return _json(metadata(chosen.served, list(dict.fromkeys(present))))
