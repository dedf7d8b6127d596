"""Earlier runs, those of this machine, and how users name them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, nearest
from tabpipe.project import home, read_json
from tabpipe.steps import decides

NAMES = "an id or its beginning, latest, a tag or commit; USE_CASE:latest, USE_CASE:v1.2.0"
_SHOWN = 5


@dataclass(frozen=True)
class Kept:
    """An earlier run, as its folder or the cluster tells of it. Runs of earlier versions have noted less."""

    folder: Path | None
    """None of a run on a cluster."""
    summary: dict[str, Any]
    known_config: dict[str, Any] | None = None
    """The config of a run that has no folder."""

    @property
    def run_id(self) -> str:
        """Its id, which on this machine begins with its local time of start."""
        return self.folder.name if self.folder else self.summary["run_id"]

    @property
    def use_case(self) -> str:
        """The config that it was of."""
        return self.folder.parents[1].name if self.folder else self.summary["use_case"]

    @property
    def code(self) -> dict[str, Any]:
        """What it noted of its code; empty where it noted none."""
        return self.summary.get("code") or {}

    @property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """`step.output` to what it noted of it; empty where it noted none."""
        noted = self.summary.get("outputs") or {}
        return {f"{step}.{name}": entry for step, made in noted.items() for name, entry in made.items()}

    @property
    def comparable(self) -> dict[str, dict[str, Any]]:
        """Its outputs, without those of steps that decide: these are compared with nothing."""
        return {name: entry for name, entry in self.outputs.items() if not decides(name.partition(".")[0])}

    @property
    def metrics(self) -> dict[str, float]:
        """`split.metric` to its value."""
        noted = self.summary.get("metrics") or {}
        return {f"{split}.{name}": value for split, values in noted.items() for name, value in values.items()}

    @property
    def config(self) -> dict[str, Any]:
        """Its config, overrides included; empty where the file is gone."""
        if self.folder is None:
            return deepcopy(self.known_config or {})
        return read_json(self.folder / "config.json", {})


ByCode = Callable[[str, Sequence[Kept]], Kept | None]


def kept_runs(use_case: str | None = None) -> list[Kept]:
    """The runs of a use case, or of all, the newest first; folders without a readable summary are passed over.

    Raises:
        Refusal: A use case that has no runs.
    """
    found = []
    for path in home().glob("*/runs/*/summary.json"):
        if use_case in (None, path.parents[2].name) and isinstance(summary := read_json(path, None), dict):
            found.append(Kept(path.parent, summary))
    if use_case is not None and not found:
        raise no_runs_of(use_case, {path.parent.name for path in home().glob("*/runs")}, str(home()))
    return sorted(found, key=lambda run: (run.summary.get("started") or 0, run.run_id), reverse=True)


def no_runs_of(use_case: str, known: Collection[str], where: str) -> Refusal:
    """The refusal of a use case that has no runs."""
    return Refusal(f"{use_case!r} has no runs here", where=where, mend=nearest(use_case, known))


def use_case_of(name: str) -> str | None:
    """What stands before the colon of a run's name, if anything does."""
    return name.rpartition(":")[0] or None


def find(name: str) -> Kept:
    """The run of this machine that a user means.

    Args:
        name: An id or its beginning; `latest`, the last good run; a tag or commit, the last good run of that code;
            each of them also after `USE_CASE:`.

    Raises:
        Refusal: None is meant, or several.
    """
    runs = kept_runs(use_case_of(name))
    if not runs:
        raise Refusal("no run is kept here", where=str(home()), mend="make one: tabpipe run iris")
    return choose(name, runs, of_release, "tabpipe runs list")


def choose(name: str, runs: Sequence[Kept], by_code: ByCode, listing: str) -> Kept:
    """The one that a user means among runs of the use case that he named, if he did.

    Args:
        name: As for `find`.
        runs: At least one, the newest first.
        by_code: Gives the newest good run of the code that a tag or commit names.
        listing: The command that lists all runs.

    Raises:
        Refusal: None is meant, or several.
    """
    wanted = name.rpartition(":")[2]
    if wanted == "latest":
        return _latest(runs)
    exact = [run for run in runs if run.run_id == wanted]
    begun = exact or [run for run in runs if wanted and run.run_id.startswith(wanted)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        raise Refusal(
            f"{len(begun)} runs begin so", where="RUN", value=wanted, mend=f"name one of {_ids(begun)}; or write more"
        )
    if wanted and (released := by_code(wanted, runs)):
        return released
    raise Refusal(
        "no run has this name",
        where="RUN",
        value=name,
        rule=NAMES,
        mend=f"the latest are {_ids(runs)}; `{listing}` shows all",
    )


def _latest(runs: Sequence[Kept]) -> Kept:
    good = [run for run in runs if run.summary.get("state") == "succeeded" and run.summary.get("model", True)]
    if not good:
        raise Refusal(
            "no run has ended well and made a model", where="RUN", value="latest", mend="name a run by its id"
        )
    return good[0]


def of_release(wanted: str, runs: Sequence[Kept]) -> Kept | None:
    """The newest good run of this machine that was made with the code that a tag or commit names."""
    from tabpipe.project import ROOT
    from tabpipe.runs.releases import commit_of

    commit = commit_of(wanted, ROOT)
    of_it = [
        run
        for run in runs
        if run.summary.get("state") == "succeeded"
        and (run.code.get("at") == wanted or (commit and run.code.get("clean") and run.code.get("commit") == commit))
    ]
    if of_it or commit:
        return newest_of(wanted, of_it, f"tabpipe run --at {wanted} CONFIG")
    return None


def newest_of(wanted: str, runs: Sequence[Kept], mend: str) -> Kept:
    """The newest of the runs of a release, which must be of one use case.

    Raises:
        Refusal: There is none, or they are of several.
    """
    if not runs:
        raise Refusal(
            f"no good run was made with the code of {wanted}", where="RUN", value=wanted, mend=f"make one: {mend}"
        )
    cases = sorted({run.use_case for run in runs})
    if len(cases) > 1:
        raise Refusal(
            f"{wanted} has runs of several use cases",
            where="RUN",
            mend="name one of " + ", ".join(f"{case}:{wanted}" for case in cases),
        )
    return runs[0]


def _ids(runs: Sequence[Kept]) -> str:
    more = f" and {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
    return ", ".join(run.run_id for run in runs[:_SHOWN]) + more
