"""A folder that keeps fetched bytes by their checksum, and an index of what is known about sources.

`<store>/<sha256>` holds content. `<store>/index.json` maps a source to its checksum and to what it is known again by.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.common.base.files import file_digest, written_whole
from components.common.storage.address import Address

_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_LEFTOVER_SECONDS = 86400

Entry = dict[str, Any]
"""`checksum`, and either `identity` (of a file), `validators` (of an object) or `parts`: name to such an entry."""


def key_of(address: Address) -> str:
    """The index's name of a source: shown without secrets, told apart by a hash of the whole."""
    if address.kind == "path":
        return address.target
    return f"{address.shown}#{hashlib.sha256(address.target.encode()).hexdigest()[:16]}"


def look_up(store: Path, key: str) -> Entry | None:
    """What the index knows of a source."""
    return _read(store).get(key)


def note(store: Path, key: str, entry: Entry) -> None:
    """Puts an entry into the index and drops content that no entry speaks of any more.

    Two processes that write at once leave one of the two indexes, whole; the other's entry is found out again.
    """
    entries = _read(store)
    before = entries.get(key)
    entries[key] = entry
    store.mkdir(parents=True, exist_ok=True)
    with written_whole(store / "index.json") as beside:
        beside.write_text(json.dumps(entries, indent=1, sort_keys=True))
    for checksum in _checksums(before) - set().union(*map(_checksums, entries.values())) if before else ():
        (store / checksum).unlink(missing_ok=True)


def place(store: Path, checksum: str) -> Path | None:
    """Where the bytes with a checksum are stored, if they are."""
    path = store / checksum
    return path if _CHECKSUM.fullmatch(checksum) and path.is_file() else None


def content(store: Path, checksum: str) -> Path | None:
    """The stored bytes with a checksum, if they are here and, read again, sound."""
    path = place(store, checksum)
    if path and file_digest(path) != checksum:
        path.unlink(missing_ok=True)
        return None
    return path


def sweep(store: Path) -> None:
    """Removes what a killed download left behind a day ago or earlier."""
    for left in store.glob(".incoming-*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > _LEFTOVER_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


def _read(store: Path) -> dict[str, Entry]:
    """The index; a missing or damaged one is empty, and so are damaged entries."""
    try:
        entries = json.loads((store / "index.json").read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(entries, dict):
        return {}
    return {key: entry for key, entry in entries.items() if _sound(entry)}


def _sound(entry: Any) -> bool:
    if not isinstance(entry, dict) or not _CHECKSUM.fullmatch(str(entry.get("checksum", ""))):
        return False
    parts = entry.get("parts", {})
    return isinstance(parts, dict) and all(map(_sound, parts.values()))


def _checksums(entry: Entry) -> set[str]:
    return {entry["checksum"], *(part["checksum"] for part in entry.get("parts", {}).values())}
