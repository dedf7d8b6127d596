"""Counters that a request may touch in a microsecond; Prometheus's own take several each."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Upper ends of the times to an answer, in seconds."""


class Counting:
    """Counts on the event loop, so without locks; a registry collects it when Prometheus asks."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: dict[str, list[float]] = {}
        self._within: dict[str, list[int]] = {}
        self._rows: defaultdict[str, int] = defaultdict(int)
        self._unknown: defaultdict[str, int] = defaultdict(int)

    def request(self, route: str, status: int, seconds: float) -> None:
        """Counts a request."""
        key = (route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        within = self._within.get(route)
        if within is None:
            within = self._within[route] = [0] * (len(BUCKETS) + 1)
            self._seconds[route] = [0.0]
        within[bisect_left(BUCKETS, seconds)] += 1
        self._seconds[route][0] += seconds

    def rows(self, role: str, rows: int, unknown: dict[str, int]) -> None:
        """Counts answered rows."""
        self._rows[role] += rows
        if unknown:
            for column, count in unknown.items():
                self._unknown[column] += count

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is told."""
        requests = CounterMetricFamily(
            "tabpipe_serve_requests", "Requests by route and status", labels=["route", "code"]
        )
        for (route, status), count in self._requests.items():
            requests.add_metric([route, str(status)], count)
        seconds = HistogramMetricFamily("tabpipe_serve_request_seconds", "Time to the answer", labels=["route"])
        for route, within in self._within.items():
            total, buckets = 0, []
            for end, count in zip([*map(str, BUCKETS), "+Inf"], within, strict=True):
                total += count
                buckets.append((end, total))
            seconds.add_metric([route], buckets, self._seconds[route][0])
        rows = CounterMetricFamily("tabpipe_serve_rows", "Rows answered, by the model that did", labels=["role"])
        for role, count in self._rows.items():
            rows.add_metric([role], count)
        unknown = CounterMetricFamily(
            "tabpipe_serve_unknown_values", "Values that were unknown in training", labels=["column"]
        )
        for column, count in self._unknown.items():
            unknown.add_metric([column], count)
        yield from (requests, seconds, rows, unknown)
