"""What the rounds come to: medians, ratios within rounds, and whether the predictions are the same."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

PHASES = {
    "1 client, 1 row": (1, 1),
    "8 clients, 1 row": (8, 1),
    "1 client, 100 rows": (1, 100),
    "8 clients, 100 rows": (8, 100),
}
"""What is measured: clients, and rows of a request."""
OURS, THEIRS = "tabpipe", "mlflow"

Round = Mapping[str, Mapping[str, Any]]
"""Server to `start_s`, `memory_mib` and, by phase, what the load generator told and `cpu_ms` of the server."""

_LINES = (
    ("1 client, 1 row: p50", "1 client, 1 row", "p50_ms", "p50_single_row", "{:,.2f} ms"),
    ("1 client, 1 row: p99", "1 client, 1 row", "p99_ms", "p99_single_row", "{:,.2f} ms"),
    ("8 clients, 1 row: requests/s", "8 clients, 1 row", "per_second", "requests_per_second_8_clients", "{:,.0f}"),
    ("8 clients, 1 row: p50", "8 clients, 1 row", "p50_ms", "p50_single_row_8_clients", "{:,.2f} ms"),
    ("8 clients, 1 row: p99", "8 clients, 1 row", "p99_ms", "p99_single_row_8_clients", "{:,.2f} ms"),
    ("1 client, 100 rows: rows/s", "1 client, 100 rows", "rows_per_second", "rows_per_second_100", "{:,.0f}"),
    (
        "8 clients, 100 rows: rows/s",
        "8 clients, 100 rows",
        "rows_per_second",
        "rows_per_second_100_8_clients",
        "{:,.0f}",
    ),
    ("processor time for 1 row", "8 clients, 1 row", "cpu_ms", "processor_single_row", "{:,.2f} ms"),
    ("processor time for 100 rows", "8 clients, 100 rows", "cpu_ms", "processor_100_rows", "{:,.2f} ms"),
    ("peak memory", "", "memory_mib", "peak_memory", "{:,.0f} MiB"),
    ("start to first answer", "", "start_s", "start", "{:.2f} s"),
)
"""What is told: words, phase (empty: of the server as a whole), measure, the name of its ratio, and how it is shown."""
_MORE_IS_BETTER = {"per_second", "rows_per_second"}


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """How many times better than `mlflow models serve`, the median of each round's ratio; above 1 is better."""
    found = {}
    for _, phase, measure, name, _ in _LINES:
        pairs = [(_of(one[OURS], phase, measure), _of(one[THEIRS], phase, measure)) for one in rounds]
        each = [ours / theirs if measure in _MORE_IS_BETTER else theirs / ours for ours, theirs in pairs]
        found[name] = round(statistics.median(each), 3)
    return found


def medians(rounds: Sequence[Round]) -> dict[str, dict[str, Any]]:
    """Each server's medians over the rounds, rows per second and the load generator's own burden among them."""
    found: dict[str, dict[str, Any]] = {}
    for server in rounds[0]:
        told: dict[str, Any] = {
            name: round(statistics.median([one[server][name] for one in rounds]), 3)
            for name in ("start_s", "memory_mib")
        }
        for phase, (_, rows) in PHASES.items():
            middle = {
                name: round(statistics.median([one[server][phase][name] for one in rounds]), 4)
                for name in ("p50_ms", "p99_ms", "per_second", "cpu_ms", "cpu", "requests")
            }
            told[phase] = {**middle, "rows_per_second": round(middle["per_second"] * rows, 1)}
        found[server] = told
    return found


def _of(server: Mapping[str, Any], phase: str, measure: str) -> float:
    if measure == "rows_per_second":
        return server[phase]["per_second"] * PHASES[phase][1]
    return server[phase][measure] if phase else server[measure]


class Agreement:
    """The predictions of all servers for each row, by requests of one row and of many, held against each other."""

    def __init__(self) -> None:
        self._said: dict[int, dict[tuple[str, int], Any]] = {}
        self.differences: list[str] = []

    def note(self, server: str, rows: int, predicted: Mapping[int, Sequence[Any]]) -> None:
        """Takes what a server predicted.

        Args:
            server: Its name.
            rows: Rows of a full request.
            predicted: Number of the request to its predictions.
        """
        for request, found in predicted.items():
            for at, value in enumerate(found, start=request * rows):
                known = self._said.setdefault(at, {})
                for (other, many), before in known.items():
                    if before != value and len(self.differences) < 20:
                        said = f"{server} says {value!r} (asked {rows} at once), {other} {before!r} ({many})"
                        self.differences.append(f"row {at}: {said}")
                known[server, rows] = value

    def compared(self, rows: int) -> int:
        """How many rows both servers predicted in requests of so many."""
        return sum((OURS, rows) in known and (THEIRS, rows) in known for known in self._said.values())


def table(rounds: Sequence[Round], found: Mapping[str, float]) -> list[str]:
    """The lines of the table."""
    middle = medians(rounds)
    lines = [f"{'':<30}{'mlflow models serve':>21}{'tabpipe_server':>16}{'times better':>14}"]
    for words, phase, measure, name, shown in _LINES:
        theirs, ours = (shown.format(_of(middle[one], phase, measure)) for one in (THEIRS, OURS))
        lines.append(f"{words:<30}{theirs:>21}{ours:>16}{found[name]:>14.1f}")
    return lines
