"""What Prometheus is told: the counters of every request, and those of rarer things."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from tabpipe_server.counting import Counting

if TYPE_CHECKING:
    from tabpipe_server.models import Served

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The server's counters, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        counting = Counting()
        self.registry.register(counting)
        self.request, self.rows = counting.request, counting.rows
        self._faults = self._counter("faults", "Requests that were not answered, by fault", "fault")
        self._swaps = self._counter("swaps", "Models that took a place", "role")
        labels = ["role", "name", "version", "path"]
        self._model = Gauge("tabpipe_serve_model_info", "The models in place", labels, registry=self.registry)
        self.refused = Counter("tabpipe_serve_refused_rows", "Rows with a fault", registry=self.registry)
        self.shadowed = self._counter("shadow", "Shadow requests by what became of them", "outcome")

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"tabpipe_serve_{name}", about, labels, registry=self.registry)

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
