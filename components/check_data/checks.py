"""What a check is, and how a table that failed some is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.common.base.errors import Refusal, shorten
from components.common.config.base import Severity

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Outcome = Literal["passed", "failed", "skipped"]

IN_FULL = 5
"""Failed checks that a refusal tells in full."""
IN_LINES = 50
"""Further ones that it tells one line each."""


@dataclass(frozen=True)
class Check:
    """One rule, applied to one column or to the whole table."""

    name: str
    column: str
    """The column; empty for a rule of the whole table."""
    rule: str
    """What must hold, in words."""
    observed: str
    """What was found, in words."""
    severity: Severity
    outcome: Outcome
    bad_rows: int | None = None
    """Rows that break the rule; None where the rule is not about single rows."""
    first_row: int | None = None
    """The first of them, counted from 0 in the clean table."""
    first_value: Any = None
    """The value in that row."""
    mend: str = ""
    """What can be done about a failure."""

    @property
    def stops(self) -> bool:
        """Whether it keeps the table from being accepted."""
        return self.outcome == "failed" and self.severity == "error"


def of_rows(
    name: str,
    series: pd.Series,
    rule: str,
    bad: np.ndarray,
    severity: Severity,
    well: str,
    ill: str,
    mend: str,
    *,
    holds: bool | None = None,
) -> Check:
    """A check about single rows.

    Args:
        name: Name of the check.
        series: The column.
        rule: What must hold.
        bad: (n,) rows that break it.
        severity: Whether that stops the pipeline.
        well: What is observed where all is well.
        ill: What is observed where it is not.
        mend: What can be done about it.
        holds: The verdict, where it is not simply whether no row is bad.
    """
    column = str(series.name)
    if not bad.any() if holds is None else holds:
        return Check(name, column, rule, well, severity, "passed", bad_rows=0)
    first = int(bad.argmax()) if bad.any() else None
    value: Any = None if first is None else series.iloc[first]
    if hasattr(value, "item"):
        value = value.item()  # a plain number, so that it is shown as one
    return Check(name, column, rule, ill, severity, "failed", int(bad.sum()), first, value, mend)


def rows_of(bad: np.ndarray) -> str:
    """How many rows are marked, in words."""
    count = int(bad.sum())
    return f"{count:,} row{'s' * (count != 1)} ({count / max(len(bad), 1) * 100:.3g}%)"


def summary(checks: Sequence[Check], rows: int) -> dict[str, int]:
    """Counts for tracking: checks, passed, failed (those that stop the pipeline), warnings, skipped, rows."""
    failed = [check for check in checks if check.outcome == "failed"]
    return {
        "checks": len(checks),
        "passed": sum(check.outcome == "passed" for check in checks),
        "failed": sum(check.stops for check in failed),
        "warnings": sum(not check.stops for check in failed),
        "skipped": sum(check.outcome == "skipped" for check in checks),
        "rows": rows,
    }


def refusal(checks: Sequence[Check], table: str, report: str, removed: str = "") -> Refusal:
    """Words why a table is not accepted: every failed check that stops the pipeline, the first ones in full.

    Args:
        checks: All checks.
        table: Where the table is.
        report: Where the report is.
        removed: The rows that were removed before, in words.
    """
    failed = [check for check in checks if check.stops]
    lines = [f"{len(failed)} of {len(checks)} checks failed, so the table is not accepted"]
    for check in failed[:IN_FULL]:
        lines.append(f"  {_place(check)}: {check.observed}")
        lines.append(f"    rule:  {check.rule}")
        if check.first_row is not None:
            lines.append(f"    value: {shorten(check.first_value)} in row {check.first_row} (counted from 0)")
        if check.mend:
            lines.append(f"    mend:  {check.mend}")
    if failed[IN_FULL:]:
        lines.append("  and also")
        more = failed[IN_FULL : IN_FULL + IN_LINES]
        lines += [f"    {_place(check)}: {shorten(check.observed)} (rule: {check.rule})" for check in more]
    if failed[IN_FULL + IN_LINES :]:
        lines.append(f"    and {len(failed) - IN_FULL - IN_LINES:,} more")
    if removed:
        lines.append(f"  removed before, by preprocess: {removed}")
    lines.append(f"  report: {report} shows every check")
    return Refusal("\n".join(lines), where=table)


def _place(check: Check) -> str:
    return f"column {check.column!r}, {check.name}" if check.column else check.name
