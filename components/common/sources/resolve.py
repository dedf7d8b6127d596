"""The checksum of a source, found before a pipeline runs and without reading again what did not change."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from components.common.sources import cache as kept
from components.common.sources import from_artifact
from components.common.storage.address import Address, parse
from components.common.storage.fetch import door, receive
from components.common.storage.local import identity, state
from components.common.storage.types import Progress, Validators

_FRESH_SECONDS = 2.0
"""A file changed within this time may change again without a new time stamp: clocks of file systems are coarse."""


@dataclass(frozen=True)
class Version:
    """What a source holds now."""

    checksum: str
    """SHA-256 in hex of its bytes; `sample:NAME` of a sample."""
    path: Path | None
    """A file on this machine with those bytes, if there is one."""


def resolve(source: str, store: Path, progress: Progress | None = None) -> Version:
    """Finds what a source holds now, so that its checksum can be an argument of the step that reads it.

    A file is read once and then known by its size, time and inode. A remote object is fetched into the store once and
    then known by its ETag, or by its date and size; one without either is fetched each time.

    Args:
        source: A path, or an http(s), s3, sample or artifact URL. Whether a sample exists is left to the step.
        store: The folder of fetched content and of the index; made if absent.
        progress: Is told how far a download is.

    Raises:
        Refusal: There is nothing there, or it cannot be reached.
    """
    address = parse(source)
    if address.kind == "sample":
        return Version(f"sample:{address.target}", None)
    if address.kind == "path":
        return Version(file_checksum(address, store), Path(address.target))
    if address.kind == "artifact":
        return Version(from_artifact.find(address).digest, None)
    return _remote(address, store, progress)


def file_checksum(address: Address, store: Path | None) -> str:
    """The SHA-256 of a file, from the index where the file is the one that was read before.

    Raises:
        Refusal: It is no readable file, or it changed while it was being read.
    """
    path = Path(address.target)
    before = identity(state(path, address.shown))
    entry = kept.look_up(store, address.target) if store else None
    if entry and entry.get("identity") == before:
        return entry["checksum"]
    started = time.time()
    checksum = file_digest(path)
    if identity(state(path, address.shown)) != before:
        raise changed(address)
    if store and started - before[1] / 1e9 > _FRESH_SECONDS:
        kept.note(store, address.target, {"checksum": checksum, "identity": before})
    return checksum


def changed(address: Address) -> Refusal:
    """The refusal of a source that did not hold still."""
    return Refusal("the source changed while it was being read", where=address.shown, mend="run again when it is whole")


def _remote(address: Address, store: Path, progress: Progress | None) -> Version:
    key = kept.key_of(address)
    entry = kept.look_up(store, key)
    known = _validators(entry)
    same = door(address).unchanged(address, known) if known else None
    if entry and same:
        return Version(entry["checksum"], kept.place(store, entry["checksum"]))
    if same is False:
        known = None  # A condition could only mislead: of two changes within a second, the date tells of one.
    store.mkdir(parents=True, exist_ok=True)
    kept.sweep(store)
    with tempfile.TemporaryDirectory(dir=store, prefix=".incoming-") as scratch:
        incoming = Path(scratch) / "bytes"
        received = receive(address, incoming, known, progress)
        if received is None:
            assert entry is not None
            return Version(entry["checksum"], kept.place(store, entry["checksum"]))
        checksum, _, validators = received
        os.replace(incoming, store / checksum)
    kept.note(store, key, {"checksum": checksum, "validators": asdict(validators)})
    return Version(checksum, store / checksum)


def _validators(entry: kept.Entry | None) -> Validators | None:
    """What the last answer about a remote object said, where that can be used to know it again."""
    try:
        known = Validators(**entry["validators"]) if entry else None
    except (KeyError, TypeError):
        return None
    return known if known and known.any else None
