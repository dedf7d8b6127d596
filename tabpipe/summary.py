"""The end of a run: its summary for machines, and what the screen says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from components.common.sources import redact
from tabpipe.history import provenance
from tabpipe.screen import error_lines, metrics_table, shorter

if TYPE_CHECKING:
    from tabpipe.run import Run
    from tabpipe.under_way import UnderWay


METRICS = ("auc_macro_ovo", "f1_macro", "accuracy", "log_loss", "r2", "mae", "rmse")
"""In the order in which they are shown; kfp hands them over in none."""


def summarise(run: Run, state: str) -> dict[str, Any]:
    """The document that `--json` prints and summary.json keeps.

    Args:
        run: A run that has ended.
        state: succeeded, failed or interrupted.
    """
    metrics = {
        split: {
            name: run.outputs[step]["metrics"].metadata[name]
            for name in METRICS
            if name in run.outputs[step]["metrics"].metadata
        }
        for split, step in (("validation", "train"), ("test", "evaluate"))
        if step in run.outputs
    }
    reports = sorted((run.folder / "reports").glob("*.html"))
    return {
        **run.document(state),
        "overrides": [f"{key}={redact(value)}" for key, _, value in (o.partition("=") for o in run.options.overrides)],
        "metrics": metrics,
        "model": str(run.folder / "model") if "train" in run.outputs else None,
        "reports": {path.stem: str(path) for path in reports},
        "environment": provenance.environment() if run.on == "local" else None,  # an image holds its own
        "reference": run.reference,
        "valid_for": run.valid_for,
        "promotion": _promotion(run.outputs.get("promote")),
        "outputs": provenance.outputs(run.outputs),
    }


def _promotion(outputs: dict[str, Any] | None) -> dict[str, str] | None:
    """What promote decided, and why; None where it did not run."""
    return outputs and {name: str(outputs.get(name, "")) for name in ("decision", "reason")}


def tell(run: Run, summary: dict[str, Any]) -> None:
    """Prints a run's metrics and where things are, or what went wrong."""
    say = run.screen.say
    if summary["state"] == "succeeded":
        table = metrics_table(summary["metrics"], run.workspace.previous_summary(), run.checksum)
        say("\n".join(["", *table, ""]) if table else "")
        if summary["model"]:
            say(f"  model    {shorter(summary['model'])}")
        for path in summary["reports"].values():
            say(f"  report   {shorter(path)}")
        say(f"  {summary['seconds']:.2f} s; `make ui` shows all runs")
    else:
        tell_failure(run)


def tell_failure(run: UnderWay) -> None:
    """Prints what went wrong, and where the logs are."""
    print(f"\n{error_lines(run.error or 'failed')}\n  logs:  {shorter(run.folder / 'logs')}", file=sys.stderr)
