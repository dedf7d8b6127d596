"""The writing side of the tracking spool: what a run leaves there for the tracker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tabpipe.engines.fork_client import step_environment
from tabpipe.project import ROOT, commit, home, write_json

COMMIT = "mlflow.source.git.commit"
"""The tag under which MLflow keeps a run's git commit."""


def spool(run_id: str = "") -> Path:
    """The folder of a run's records, or of all runs'."""
    return home() / "spool" / run_id


def begin(run_id: str, use_case: str, started: float) -> None:
    """Opens a run's folder.

    Args:
        run_id: Id of the run, and name of its parent run in MLflow.
        use_case: Name of the use case, and of its experiment.
        started: Seconds since the epoch.
    """
    tags = {
        "mlflow.source.name": "tabpipe",
        "mlflow.source.type": "LOCAL",
        COMMIT: commit(),
        "mlflow.user": os.environ.get("USER", ""),
        "tabpipe.use_case": use_case,
    }
    write_json(
        spool(run_id) / "open.json",
        {
            "use_case": use_case,
            "run_id": run_id,
            "pid": os.getpid(),
            "started": started,
            "tags": {key: value for key, value in tags.items() if value},
        },
    )


def end(summary: dict[str, Any], config: dict[str, Any], steps: list[dict[str, Any]], folder: Path) -> None:
    """Closes a run's folder.

    Args:
        summary: The run's summary.
        config: The whole config, overrides included; the parent run's parameters.
        steps: The steps that ended, with their cache keys.
        folder: The run's own folder, whose summary.json and config.json are kept with the parent run.
    """
    scores = {
        f"{split}_{name}": value for split, values in summary["metrics"].items() for name, value in values.items()
    }
    tags = {
        "tabpipe.checksum": summary["checksum"],
        "tabpipe.source": summary["source"],
        "tabpipe.error": summary["error"],
    }
    write_json(
        spool(summary["run_id"]) / "close.json",
        {
            "state": summary["state"],
            "ended": time.time(),
            "steps": steps,
            "metrics": scores,
            "params": config,
            "tags": {key: value for key, value in tags.items() if value},
            "files": [[str(folder / name), "", name] for name in ("summary.json", "config.json")],
        },
    )


def track_apart(run_id: str, log: Path, wait: bool) -> None:
    """Lets a tracker in a process of its own write a run to MLflow.

    Args:
        run_id: Id of the run.
        log: File for what the tracker prints.
        wait: Whether to wait for its end.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tabpipe.tracking.tracker", str(spool(run_id))],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, **step_environment()},
        )
    if wait:
        process.wait()
