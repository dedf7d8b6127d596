"""What Prometheus is told: the counters of every request, and those of rarer things."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

if TYPE_CHECKING:
    from tabpipe_server.models import Served

BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper ends of the times to an answer, in seconds."""
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The server's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        seconds = Histogram(
            "tabpipe_serve_request_seconds", "Time to the answer", ["route"], registry=self.registry, buckets=BUCKETS
        )
        # Looking up a label costs several times what counting does.
        self._requests = cache(self._counter("requests", "Requests by route and status", "route", "code").labels)
        self._seconds = cache(seconds.labels)
        self._rows = cache(self._counter("rows", "Rows answered, by the model that did", "role").labels)
        self._unknown = self._counter("unknown_values", "Values that were unknown in training", "column")
        self._faults = self._counter("faults", "Requests that were not answered, by fault", "fault")
        self._swaps = self._counter("swaps", "Models that took a place", "role")
        labels = ["role", "name", "version", "path"]
        self._model = Gauge("tabpipe_serve_model_info", "The models in place", labels, registry=self.registry)
        self.refused = Counter("tabpipe_serve_refused_rows", "Rows with a fault", registry=self.registry)
        self.shadowed = self._counter("shadow", "Shadow requests by what became of them", "outcome")

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"tabpipe_serve_{name}", about, labels, registry=self.registry)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests(route, status).inc()
        self._seconds(route).observe(seconds)

    def rows(self, role: str, rows: int, unknown: dict[str, int]) -> None:
        """Counts answered rows."""
        self._rows(role).inc(rows)
        for column, count in unknown.items():
            self._unknown.labels(column).inc(count)

    def gauge(self, name: str, about: str, read: Callable[[], float]) -> None:
        """A number that is read when Prometheus asks."""
        Gauge(f"tabpipe_serve_{name}", about, registry=self.registry).set_function(read)

    def fault(self, code: str) -> None:
        """Counts a request that was not answered."""
        self._faults.labels(code).inc()

    def swapped(self, role: str, served: Served | None) -> None:
        """A model took a place, or left it."""
        self._swaps.labels(role).inc()
        for labels in [child for child in list(self._model._metrics) if child[0] == role]:
            self._model.remove(*labels)
        if served is not None:
            self._model.labels(role, served.name, served.version, served.predictor.path).set(1)

    def text(self) -> bytes:
        """All of it in Prometheus's text format."""
        return generate_latest(self.registry)
