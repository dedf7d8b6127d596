"""`runs list` and `runs show`: which runs there are, and all that one has noted."""

from __future__ import annotations

import time
from typing import Any

from components.common.base.numbers import score
from tabpipe.console import columns, pairs
from tabpipe.runs.find import Kept
from tabpipe.runs.screen import metrics_table, shorter

UNKNOWN = "unknown"
_IN_IMAGES = ("docker", "cluster")
"""Engines whose steps bring their own Python."""
_BEST_KNOWN = ("auc_macro_ovo", "r2", "accuracy", "rmse")
"""Metrics by which a line tells of a run, the first that it has."""


def short(digest: Any) -> str:
    """A digest, commit or image tag as tables show it."""
    if not digest:
        return UNKNOWN
    text = str(digest)
    return text if text.startswith("sample:") else text.rpartition(":")[2][:12]


def moment(run: Kept) -> str:
    """When a run was started, local time."""
    started = run.summary.get("started")
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(started)) if started else UNKNOWN


def made_with(run: Kept) -> str:
    """What names a run's code: a commit, or on a cluster the pipeline, whose version is named by its content."""
    return "pipeline" if "version" in run.code else "commit"


def commit_words(run: Kept) -> str:
    """A run's commit, with the name of its release, and whether there were changes that it does not hold.

    Of a run on a cluster it is the version of the pipeline.
    """
    code = run.code
    if made_with(run) == "pipeline":
        return short(code["version"])
    words = short(code.get("commit"))
    if code.get("at"):
        words = f"{words} ({code['at']})"
    return f"{words} + changes" if code.get("clean") is False else words


def list_lines(runs: list[Kept]) -> list[str]:
    """A line per run."""
    rows = [
        (
            run.run_id,
            run.use_case,
            run.summary.get("state", UNKNOWN),
            moment(run),
            f"{run.summary.get('seconds', 0):.1f} s",
            _score(run),
            short(run.summary.get("checksum")),
            commit_words(run),
        )
        for run in runs
    ]
    return columns(("run", "use case", "state", "started", "took", "test", "data", "code"), rows, right=(4,))


def list_document(runs: list[Kept]) -> list[dict[str, Any]]:
    """The same for machines."""
    keys = ("state", "started", "seconds", "source", "checksum", "metrics")
    return [
        {
            "run_id": run.run_id,
            "use_case": run.use_case,
            **{key: run.summary.get(key) for key in keys},
            **{key: run.code.get(key) for key in ("commit", "clean", "at")},
        }
        for run in runs
    ]


def show_lines(run: Kept) -> list[str]:
    """All that a run has noted, for people."""
    summary, environment = run.summary, run.summary.get("environment") or {}
    steps = [
        (step["name"], step["state"], "cached" if step["cached"] else f"{step['seconds']:.2f} s")
        for step in summary.get("steps", [])
    ]
    made = [
        (name, short(entry.get("digest")), entry.get("rows", ""), entry.get("path", ""))
        for name, entry in run.outputs.items()
    ]
    noted = {
        "run": run.run_id,
        "use case": run.use_case,
        "state": summary.get("state", UNKNOWN),
        "started": moment(run),
        "took": f"{summary.get('seconds', 0):.2f} s",
        "where": summary.get("engine", UNKNOWN),
        "source": summary.get("source", UNKNOWN),
        "checksum": summary.get("checksum") or UNKNOWN,
        "overrides": " ".join(summary.get("overrides", [])) or "none",
        made_with(run): commit_words(run),
        "python": environment.get("python") or ("in the images" if summary.get("engine") in _IN_IMAGES else UNKNOWN),
        "lock": short(environment.get("lock")),
        "packages": ", ".join(f"{name} {version}" for name, version in environment.get("packages", {}).items())
        or UNKNOWN,
    }
    if run.folder:
        noted["folder"] = shorter(run.folder)
    lines = pairs(noted, 10_000)
    lines += ["", *columns(("step", "state", "took"), steps, right=(2,))] if steps else []
    if images := run.code.get("images"):
        lines += ["", *columns(("step", "image"), images.items())]
    if table := metrics_table(summary.get("metrics") or {}, None):
        lines += ["", *table]
    lines += ["", *columns(("output", "digest", "rows", "path"), made, right=(2,))] if made else []
    if summary.get("error"):
        lines += ["", summary["error"]]
    return lines


def show_document(run: Kept) -> dict[str, Any]:
    """The same for machines: the summary and the config."""
    return {**run.summary, "config": run.config}


def _score(run: Kept) -> str:
    scores = (run.summary.get("metrics") or {}).get("test", {})
    name = next((name for name in _BEST_KNOWN if name in scores), None)
    return f"{name} {score(scores[name])}" if name else ""
