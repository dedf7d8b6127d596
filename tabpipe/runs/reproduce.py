"""`reproduce`: a run made again, and whether it gives the same to the last digit."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.console import columns, document, say
from tabpipe.project import ROOT, usable_home
from tabpipe.runs import rerun, run_sources
from tabpipe.runs.diff import rows
from tabpipe.runs.find import Kept
from tabpipe.runs.listing import commit_words, made_with, short
from tabpipe.runs.screen import shorter

_USE_CASE = "reproduced-{}"


def reproduce(run: Kept, *, on: str = "local", keep: Path | None = None, as_json: bool = False) -> int:
    """Makes a run again and compares; returns 0 if every metric and output is equal, else 1.

    Args:
        run: The run.
        on: Where steps run, local or docker.
        keep: A folder that is empty or not there yet, for what the rerun makes; nothing is kept by default.
        as_json: Whether to print a JSON document.

    Raises:
        Refusal: The run is not fit for it, or its code or data are gone.
    """
    rerun.refuse_unfit(run)
    with _folder(keep) as fresh:
        folder, notes = rerun.code_of(run)
        source = run_sources.find_source(run, fresh)
        name = _USE_CASE.format(run.run_id)
        reference = run_sources.give_reference(run, fresh, name)
        notes += [note for note in (source.note, reference) if note]
        summary, more = rerun.rerun(run, folder, fresh, name, source, on)
        found = compared(run, Kept(Path(summary.get("run_id", "")), summary), [*notes, *more])
    found["code"] = None if folder == ROOT else str(folder)
    if as_json:
        document(found)
    else:
        say(lines(run, found))
    return 0 if found["equal"] else 1


def compared(run: Kept, again: Kept, notes: list[str]) -> dict[str, Any]:
    """Compares a run with its rerun.

    Args:
        run: The run.
        again: The rerun.
        notes: What is worth knowing where results differ.

    Returns:
        `equal`, `metrics`, `outputs` (each with `a`, the run's, and `b`, the rerun's) and `reasons`.
    """
    metrics = rows(run.metrics, again.metrics)
    digests = [{name: entry.get("digest") for name, entry in one.comparable.items()} for one in (run, again)]
    outputs = rows(*digests)
    done = again.summary.get("state") == "succeeded"
    equal = done and all(row["equal"] and row["a"] is not None for row in [*metrics, *outputs])
    return {
        "run_id": run.run_id,
        "rerun": again.summary.get("run_id"),
        "state": again.summary.get("state"),
        "error": again.summary.get("error"),
        "equal": equal,
        "metrics": metrics,
        "outputs": outputs,
        "reasons": [] if equal else [*notes, *(_reasons(run, again) if done else [])],
    }


def _reasons(run: Kept, again: Kept) -> list[str]:
    """Why a rerun may have given something else, as far as both have noted it."""
    found = []
    images = rows(run.code.get("images") or {}, again.code.get("images") or {})
    if changed := [row["name"] for row in images if not row["equal"]]:
        found.append(f"the code of {', '.join(changed)} is not that of the run")
    then, now = (one.summary.get("environment") or {} for one in (run, again))
    if then.get("python") != now.get("python"):
        found.append(f"Python was {then.get('python') or 'another'} and is {now.get('python') or 'another'}")
    for row in rows(then.get("packages") or {}, now.get("packages") or {}):
        if not row["equal"]:
            found.append(f"{row['name']} was {row['a'] or 'absent'} and is {row['b'] or 'absent'}")
    if run.summary.get("engine") != again.summary.get("engine"):
        found.append(f"steps ran on {run.summary.get('engine')} and now on {again.summary.get('engine')}")
    if run.summary.get("valid_for") != again.summary.get("valid_for"):
        found.append("the checks of fresh data or the declared reference hang on another day or table")
    return found


def lines(run: Kept, found: dict[str, Any]) -> list[str]:
    """The outcome for people."""
    code = f", code in {shorter(found['code'])}" if found["code"] else ""
    told = ["", f"  {run.run_id} of {run.use_case}, {made_with(run)} {commit_words(run)}{code}"]
    if found["state"] == "succeeded":
        for part, shown in (("metrics", repr), ("outputs", short)):
            table = [
                (
                    row["name"],
                    *("–" if row[side] is None else shown(row[side]) for side in "ab"),
                    "equal" if row["equal"] else "differs",
                )
                for row in found[part]
            ]
            told += ["", *columns((part, "run", "rerun", ""), table)]
        told += ["", f"  {_verdict(found)}"]
    else:
        told += ["", "  The rerun did not end well, so nothing can be compared.", f"  {found['error']}"]
    if found["reasons"]:
        told += ["  Why that may be:", *(f"    {reason}" for reason in found["reasons"])]
    elif not found["equal"] and found["state"] == "succeeded":
        told.append("  Code, data, Python and packages are the same; the machine or a step itself must be why.")
    return told


def _verdict(found: dict[str, Any]) -> str:
    if found["equal"]:
        return f"All {len(found['metrics'])} metrics and {len(found['outputs'])} outputs are equal, to the last digit."
    differ = {part: sum(not row["equal"] for row in found[part]) for part in ("metrics", "outputs")}
    return " and ".join(f"{count} of {len(found[part])} {part}" for part, count in differ.items()) + " differ."


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A folder of outputs for the rerun, gone afterwards unless it is to be kept."""
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise Refusal("the folder is not empty", where=str(keep), mend="name another one")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    fresh = Path(tempfile.mkdtemp(dir=usable_home(), prefix=".reproduce-"))
    try:
        yield fresh
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
