"""The data of a run, found again by content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.artifacts import digest_of
from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from components.common.sources import parse, parts_of, resolve
from components.common.sources.cache import content
from components.common.sources.open import stored_parts
from tabpipe.project import home, link_or_copy, write_json
from tabpipe.runs.find import Kept


@dataclass(frozen=True)
class Found:
    """Where a run's data are now."""

    source: str
    """What takes the place of download.source."""
    parquet: bool = False
    """Whether it is the table that download made, not what it read."""
    note: str = ""
    """What is worth knowing of it, where results differ."""


def find_source(run: Kept, fresh: Path) -> Found:
    """Finds bytes with the checksum that a run's source had.

    They are the file itself, what an earlier run fetched of the URL, the URL, an artifact's version; and where all of
    these are gone or others by now, the table that the run's own download made of them.

    Args:
        run: The run.
        fresh: The folder of outputs of the rerun, where bytes may be put.

    Raises:
        Refusal: They are nowhere.
    """
    checksum, source = run.summary["checksum"], run.config["download"]["source"]
    address = parse(source)
    if address.kind == "sample":
        return Found(source)
    if address.kind == "path":
        try:
            if resolve(source, fresh / "store").checksum == checksum:
                return Found(source)
            why = f"{source} holds other bytes now"
        except Refusal:
            why = f"{source} is gone"
    else:
        beside = fresh / "source" / (address.name or "table")
        if parts_of(address):
            kept = {beside / name: path for name, path in stored_parts(home() / "store", checksum).items()}
        else:
            path = content(home() / "store", checksum)
            kept = {beside: path} if path else {}
        for copy, path in kept.items():
            link_or_copy(path, copy)
        if kept:
            return Found(str(beside))
        try:
            if address.kind == "artifact":
                return Found(_from_artifacts(address.target.partition(":")[0], checksum, fresh))
            found = resolve(source, fresh / "store").checksum
            if found == checksum:
                return Found(source)
            why = f"{address.shown} holds other bytes now"
        except Refusal as refusal:
            why = f"{address.shown} cannot be read ({refusal.problem})"
    table = output_path(run, "download.table")
    if table is not None:
        return Found(str(table), True, f"{why}; the rerun began with the table that the run's download had made of it")
    raise Refusal(
        f"the data of the run are gone: {why}, and so is the table that its download made",
        where=f"run {run.run_id}",
        value=f"sha256 {checksum}",
        rule="bytes with the run's checksum",
        mend="put the former file back in its place",
    )


def output_path(run: Kept, name: str) -> Path | None:
    """The file of a run's output, `step.output`, if it is there and as the run left it."""
    entry = run.outputs.get(name) or {}
    if not entry.get("path") or not entry.get("digest"):
        return None
    path = home() / entry["path"]
    return path if holds(path, entry["digest"]) else None


def holds(path: Path, digest: str) -> bool:
    """Whether a file or a model's folder is there and has a digest."""
    if path.is_dir():
        pickled = path / "model.pkl"  # runs of earlier versions noted the digest of this file
        return digest == digest_of(path) or (pickled.is_file() and digest == file_digest(pickled))
    return path.is_file() and digest == file_digest(path)


def give_reference(run: Kept, fresh: Path, use_case: str) -> str:
    """Lets the rerun compare the data with the table that the run compared them with.

    Args:
        run: The run.
        fresh: The folder of outputs of the rerun.
        use_case: What the rerun's use case is called.

    Returns:
        What is worth knowing of it, where results differ.
    """
    noted = run.summary.get("reference")
    if declared := run.config["check_data"]["drift"].get("reference"):
        return _declared(run, declared, fresh)
    if not noted:
        return ""
    path = Path(noted)
    if not path.is_file() or file_digest(path) != path.stem:
        return "the accepted table that the run compared its data with is no longer kept"
    kept = fresh / use_case / "accepted" / path.name
    link_or_copy(path, kept)
    accepted: list[dict[str, Any]] = [{"checksum": "", "table": str(kept), "reference": ""}]
    write_json(fresh / use_case / "accepted.json", accepted)
    return ""


def _declared(run: Kept, declared: str, fresh: Path) -> str:
    then = (run.summary.get("valid_for") or "")[-64:]
    try:
        now = resolve(declared, fresh / "store").checksum
    except Refusal as refusal:
        return f"the declared reference cannot be read ({refusal.problem})"
    return "" if now == then else "the declared reference holds other bytes now"


def _from_artifacts(name: str, checksum: str, fresh: Path) -> str:
    from components.common.artifacts import open_store

    store = open_store()
    version = store.resolve(f"{name}:{checksum}")
    return str(store.get(version.ref, fresh / "source" / version.filename))
