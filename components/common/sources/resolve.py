"""The checksum of a source, found before a pipeline runs and without reading again what did not change."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from components.common.base.files import file_digest
from components.common.sources import cache as kept
from components.common.sources import from_artifact
from components.common.sources.parts import Parts, checksum_of, listed, manifest, parts_of
from components.common.sources.unchanged import changed, unchanged
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
    """SHA-256 in hex of its bytes; of part files that of their names and digests; `sample:NAME` of a sample."""
    path: Path | None
    """A file on this machine with those bytes, if there is one; None of part files."""


def resolve(source: str, store: Path, progress: Progress | None = None) -> Version:
    """Finds what a source holds now, so that its checksum can be an argument of the step that reads it.

    A file is read once and then known by its size, time and inode. A remote object is fetched into the store once and
    then known by its ETag, or by its date and size; one without either is fetched each time. Part files likewise, each.

    Args:
        source: A path (of a file, a folder or a pattern), or an http(s), s3, sample or artifact URL. Whether a sample
            exists is left to the step.
        store: The folder of fetched content and of the index; made if absent.
        progress: Is told how far a download is.

    Raises:
        Refusal: There is nothing there, or it cannot be reached.
    """
    address = parse(source)
    if address.kind == "sample":
        return Version(f"sample:{address.target}", None)
    if parts := parts_of(address):
        return Version((_local_parts if address.kind == "path" else _remote_parts)(parts, store, progress), None)
    if address.kind == "path":
        return Version(file_checksum(address, store), Path(address.target))
    if address.kind == "artifact":
        return Version(from_artifact.find(address).digest, None)
    return _remote(address, store, progress)


def file_checksum(address: Address, store: Path | None) -> str:
    """Return the SHA-256 of a file, from the index where the file is the one that was read before.

    Raises:
        Refusal: It is no readable file, or it changed while it was being read.
    """
    known = kept.look_up(store, address.target) if store else None
    entry = _file(address, known)
    if store and entry is not known and "identity" in entry:
        kept.note(store, address.target, entry)
    return entry["checksum"]


def local_digests(parts: Parts, states: Mapping[str, Any], store: Path | None) -> dict[str, str]:
    """Return the SHA-256 of each part file of this machine, from the index where it was read before.

    Args:
        parts: Which.
        states: What `listed` says of them.
        store: The folder of the index, if there is one.

    Raises:
        Refusal: One is no readable file, or changed while it was being read.
    """
    key = kept.key_of(parts.address)
    known = _known_parts(store, key)
    found = {name: _file(parts.part(name), known.get(name)) for name in states}
    digests = {name: entry["checksum"] for name, entry in found.items()}
    if store and found != known:
        kept.note(store, key, {"checksum": checksum_of(digests), "parts": found})
    return digests


def _file(address: Address, known: kept.Entry | None) -> kept.Entry:
    """What is known of a file, or found by reading it; without identity if it was changed a moment ago."""
    path = Path(address.target)
    before = identity(state(path, address.shown))
    if known and known.get("identity") == before:
        return known
    started = time.time()
    checksum = file_digest(path)
    if identity(state(path, address.shown)) != before:
        raise changed(address)
    return {"checksum": checksum, **({"identity": before} if started - before[1] / 1e9 > _FRESH_SECONDS else {})}


def _local_parts(parts: Parts, store: Path, progress: Progress | None) -> str:
    with unchanged(lambda: listed(parts), parts.address) as states:
        return checksum_of(local_digests(parts, states, store))


def _remote_parts(parts: Parts, store: Path, progress: Progress | None) -> str:
    """Fetches the parts that are new, and a manifest under the checksum of the whole."""
    key = kept.key_of(parts.address)
    known, found, came = _known_parts(store, key), {}, {}
    store.mkdir(parents=True, exist_ok=True)
    kept.sweep(store)
    with tempfile.TemporaryDirectory(dir=store, prefix=".incoming-") as scratch:
        with unchanged(lambda: listed(parts), parts.address) as states:
            whole, done = sum(state.size for state in states.values()), 0
            for number, (name, state) in enumerate(states.items()):
                validators = _validators(known.get(name))
                if validators and validators.same(state):
                    found[name] = known[name]
                else:
                    came[name] = Path(scratch) / str(number)
                    told = None if progress is None else lambda part, _, done=done: progress(done + part, whole)
                    received = receive(parts.part(name), came[name], None, told)
                    assert received is not None
                    if received[2].differs(replace(received[2], etag=state.etag, size=state.size)):
                        raise changed(parts.address)
                    found[name] = {"checksum": received[0], "validators": asdict(received[2])}
                done += state.size
        for name, path in came.items():
            os.replace(path, store / found[name]["checksum"])
        digests = {name: entry["checksum"] for name, entry in found.items()}
        checksum = checksum_of(digests)
        if kept.place(store, checksum) is None:
            (Path(scratch) / "manifest").write_bytes(manifest(digests))
            os.replace(Path(scratch) / "manifest", store / checksum)
    if found != known:
        kept.note(store, key, {"checksum": checksum, "parts": found})
    return checksum


def _known_parts(store: Path | None, key: str) -> dict[str, kept.Entry]:
    return ((kept.look_up(store, key) if store else None) or {}).get("parts", {})


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
