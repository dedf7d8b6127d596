"""The end of a run: its summary for machines, and what the screen says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from components.common.config.promote import BASELINE, OF_TASK
from tabpipe.console import error, progress
from tabpipe.runs.screen import metrics_table, shorter

if TYPE_CHECKING:
    from tabpipe.runs.local_run import UnderWay


_SCORES = tuple(name for names in OF_TASK.values() for name in names)
METRICS = (*_SCORES, *(f"{BASELINE}{name}" for name in _SCORES))
"""In the order in which they are shown; kfp hands them over in none."""


def tell(run: UnderWay, summary: dict[str, Any], previous: Callable[[], dict[str, Any] | None]) -> None:
    """Prints a run's metrics and where things are, or what went wrong."""
    say = run.screen.say
    if summary["state"] == "succeeded":
        table = metrics_table(summary["metrics"], previous(), run.checksum)
        say("\n".join(["", *table, ""]) if table else "")
        if (promotion := summary.get("promotion")) and promotion["decision"] != "promote":
            say(f"  promote  {promotion['reason']}")
        if summary["model"]:
            say(f"  model    {shorter(summary['model'])}")
        for path in summary["reports"].values():
            say(f"  report   {shorter(path)}")
        say(f"  {summary['seconds']:.2f} s; `make ui` shows all runs")
    else:
        tell_failure(run)


def tell_failure(run: UnderWay) -> None:
    """Prints what went wrong, and where the logs are."""
    progress("")
    error(run.error or "failed", f"\n  logs:  {shorter(run.folder / 'logs')}")
