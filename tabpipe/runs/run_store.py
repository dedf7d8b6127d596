"""Where runs leave what they make, and what the next run needs to know of the last.

output/                      TABPIPE_HOME
    mlflow.db, mlartifacts/  the tracking store
    kfp/                     outputs of steps, as kfp.local lays them out, and its cache
    store/                   downloaded sources by content
    spool/                   tracking records on their way to MLflow
    USE_CASE/
        last.json            cache keys of each step's latest good outputs, and the fingerprint of the last run
        accepted.json        the data that passed its checks, newest last
        accepted/            those tables by content: references for the next data
        latest -> runs/ID
        runs/ID/             summary.json, config.yaml, reports/, logs/, model
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.base.files import written_whole
from tabpipe.project import home, link_or_copy, read_json, write_json
from tabpipe.runs.selection import Selection

_KEPT_REFERENCES = 5


class Workspace:
    """The folder of one use case, and the run that is being made in it.

    Args:
        use_case: Name of the use case.
        run_id: Id of the run.
    """

    def __init__(self, use_case: str, run_id: str):
        self.home = home()
        self.root = self.home / use_case
        self.run_id = run_id
        self.last: dict[str, Any] = read_json(self.root / "last.json", {})

    def remember(self, step: str, key: str, parents: list[str]) -> None:
        """Notes the cache key of a step's good outputs, and of those that they were made from."""
        keys, made_from = self.last.setdefault("keys", {}), self.last.setdefault("made_from", {})
        keys[step] = key
        made_from[step] = {}
        for parent in parents:
            made_from[step] |= {**made_from.get(parent, {}), parent: keys.get(parent)}
        write_json(self.root / "last.json", self.last)

    def frozen_keys(self, selection: Selection, parents: dict[str, list[str]]) -> dict[str, str]:
        """The cache keys of the outputs that stand for those of steps that do not run.

        Args:
            selection: What runs and what is frozen.
            parents: Step to the steps whose outputs it reads.

        Raises:
            Refusal: A step has no outputs yet; or a step that runs would be given outputs that do not belong
                together, such as a model and the test rows of another split.
        """
        keys, made_from = self.last.get("keys", {}), self.last.get("made_from", {})
        for step in selection.frozen:
            if step not in keys:
                raise Refusal(
                    f"{step} has no outputs from an earlier run to take",
                    where="command line",
                    mend=f"run the whole pipeline once, or add {step} to --steps",
                )
        for step in selection.run:
            given = [parent for parent in parents[step] if parent in selection.frozen]
            for parent in given:
                for other in given:
                    if made_from.get(parent, {}).get(other, keys[other]) != keys[other]:
                        raise Refusal(
                            f"{step} would be given outputs that do not belong together: those of {parent} were made "
                            f"from other outputs of {other} than its latest",
                            where="command line",
                            mend=f"--from {parent}",
                        )
        return {step: keys[step] for step in selection.frozen}

    def champion_for(self, fingerprint: str, present: str) -> str:
        """What promote is handed as the champion, for the sake of its cache.

        A promotion itself moves the champion. As long as nothing else has since, the same run is handed what it was
        handed then, so that its outcome is served from the cache.

        Args:
            fingerprint: Of all that the candidate hangs on.
            present: How things stand now.
        """
        before, after = self.last.get("promotions", {}).get(fingerprint, ("", ""))
        return before if present == after else present

    def promoted(self, fingerprint: str, before: str, after: str) -> None:
        """Notes how things stood before and after a run's promotion, and forgets those that others have moved on."""
        known = {key: pair for key, pair in self.last.get("promotions", {}).items() if pair[1] == after}
        self.last["promotions"] = {**known, fingerprint: [before, after]}
        write_json(self.root / "last.json", self.last)

    def note_checksum(self, checksum: str) -> None:
        """Notes what the outputs of download are of."""
        self.last["checksum"] = checksum
        write_json(self.root / "last.json", self.last)

    def finished(self, fingerprint: str) -> None:
        """Notes that a whole run with this fingerprint has ended well."""
        self.last["fingerprint"] = fingerprint
        write_json(self.root / "last.json", self.last)

    def reference_for(self, checksum: str) -> str:
        """The table that data of this checksum are compared with.

        That is the newest accepted table of other data. Data that were accepted before keep the reference that they
        were compared with, so that an unchanged rerun is served from the cache.

        Returns:
            A path, or "" for the first data.
        """
        accepted = read_json(self.root / "accepted.json", [])
        if accepted and accepted[-1]["checksum"] == checksum:
            reference = accepted[-1]["reference"]
        else:
            reference = accepted[-1]["table"] if accepted else ""
        return reference if reference and Path(reference).is_file() else ""

    def accept(self, checksum: str, table: Path, digest: str, reference: str) -> None:
        """Notes that a table passed its checks; it is the reference of the next other data."""
        accepted = read_json(self.root / "accepted.json", [])
        kept = self.root / "accepted" / f"{digest}.parquet"
        entry = {"checksum": checksum, "table": str(kept), "reference": reference}
        if accepted and accepted[-1] == entry and kept.is_file():
            return
        if accepted and accepted[-1]["checksum"] == checksum:
            accepted.pop()
        if not kept.is_file():
            link_or_copy(table, kept)
        accepted.append(entry)
        write_json(self.root / "accepted.json", accepted[-_KEPT_REFERENCES:])
        used = {Path(path) for entry in accepted[-_KEPT_REFERENCES:] for path in (entry["table"], entry["reference"])}
        for old in set(kept.parent.glob("*.parquet")) - used:
            old.unlink(missing_ok=True)

    def previous_summary(self) -> dict[str, Any] | None:
        """The summary of the newest successful run before this one."""
        runs = sorted((self.root / "runs").glob("*/summary.json"), reverse=True)
        for path in runs:
            summary = read_json(path, {})
            if path.parent.name < self.run_id and summary.get("state") == "succeeded" and summary.get("metrics"):
                return summary
        return None


def point(link: Path, target: Path) -> None:
    """Makes `link` a symbolic link to `target`, in one step."""
    with written_whole(link) as beside:
        beside.symlink_to(os.path.relpath(target, link.parent), target_is_directory=target.is_dir())
