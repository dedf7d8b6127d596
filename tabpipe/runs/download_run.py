"""`checkout`: the data and the model of a run, brought to a folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.common.base.artifact_ref import check_filename
from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from tabpipe.runs.find import Kept
from tabpipe.runs.run_sources import holds, output_path
from tabpipe.runs.screen import shorter

Fill = Callable[[Kept, Path], list[str]]


def bring(run: Kept, destination: Path, fill: Fill | None = None) -> dict[str, Any]:
    """Brings a run's tables, model, reports, config and summary; all of it or nothing, each file verified.

    Args:
        run: The run.
        destination: A folder that is empty or not there yet.
        fill: Puts them into a folder, and tells what could not be had; by default from the run's own folder.

    Returns:
        `run_id`, `folder`, `files` (below it, with their digests) and `unknown` (what the run has not noted).

    Raises:
        Refusal: Something is there already, or a table or the model is gone or damaged.
    """
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise Refusal("something is there already", where=str(destination), mend="name an empty folder or a new one")
    target = destination.absolute()
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    beside.parent.mkdir(parents=True, exist_ok=True)
    try:
        beside.mkdir()
        unknown = (fill or _from_folder)(run, beside)
        os.replace(beside, target)
    except OSError as error:
        if error.errno:
            raise Refusal(f"cannot be written ({error.strerror})", where=str(destination)) from None
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    files = [path for path in sorted(target.rglob("*")) if path.is_file()]
    return {
        "run_id": run.run_id,
        "folder": str(target),
        "files": {str(path.relative_to(target)): file_digest(path) for path in files},
        "unknown": unknown,
    }


def _from_folder(run: Kept, target: Path) -> list[str]:
    """Copies what a run of this machine has made."""
    if run.folder is None:
        raise ValueError(f"run {run.run_id} has no folder on this machine")
    for name in ("config.json", "summary.json"):
        if (run.folder / name).is_file():
            shutil.copyfile(run.folder / name, target / name)
    for name in ("reports", "model"):
        if (run.folder / name).is_dir():
            shutil.copytree(run.folder / name, target / name)
    _verified(run, "train.model", target / "model")
    for name, entry in run.outputs.items():
        if "rows" in entry:
            check_filename(name, f"run {run.run_id}, the name of an output")
            _table(run, name, target / "data" / f"{name.replace('.', '_')}.parquet")
    return [] if run.outputs else ["where its tables are"]


def lines(brought: dict[str, Any]) -> list[str]:
    """What was brought, for people."""
    folder = shorter(brought["folder"])
    shown = [name for name in brought["files"] if not name.startswith("model/")]
    model = [f"  {folder}/model"] if len(shown) < len(brought["files"]) else []
    unknown = [f"  the run has not noted {what}" for what in brought["unknown"]]
    return [*model, *(f"  {folder}/{name}" for name in shown), *unknown]


def _table(run: Kept, name: str, target: Path) -> None:
    path = output_path(run, name)
    if path is None:
        raise _gone(run, name)
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, target)  # no link: what is changed there must not change what the cache serves
    _verified(run, name, target)


def _verified(run: Kept, name: str, path: Path) -> None:
    wanted = run.outputs.get(name, {}).get("digest")
    if wanted and not holds(path, wanted):
        raise _gone(run, name)


def _gone(run: Kept, name: str) -> Refusal:
    return Refusal(
        f"its output {name} is gone or damaged",
        where=f"run {run.run_id}",
        value=f"sha256 {run.outputs[name]['digest']}",
        mend=f"make it again: tabpipe reproduce {run.run_id} --keep FOLDER",
    )
