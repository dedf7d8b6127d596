"""Bytes by their digest: brought in once, and verified each time they are brought out."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from components.common.artifacts.manifest import Content, StoredFile, digest_of_bytes, files_of
from components.common.artifacts.version import Version
from components.common.base.errors import Refusal, no_space
from components.common.base.files import file_digest, written_whole
from components.common.storage.backend import Place
from components.common.storage.types import Progress

PREFIX = "objects/sha256/"
_AT_ONCE = 8
_YOUNG_SECONDS = 43200.0
"""Half of what a collector spares: the other half is for the put that relies on it."""

Item = TypeVar("Item")


def key_of(digest: str) -> str:
    """Where the bytes with a digest are."""
    return f"{PREFIX}{digest[:2]}/{digest}"


def keep(place: Place, content: Content, progress: Progress | None = None) -> bool:
    """Brings in what is not there yet: the files first, a folder's manifest when all of them are there.

    Returns:
        Whether bytes were there that are so old that a collector could be about to delete them. They are young now.
    """
    files, old = {file.digest: file for file in content.files}, []

    def is_there(digest: str, size: int) -> bool:
        found = place.look(key_of(digest))
        if found is None or found.bytes != size:
            return False
        if time.time() - found.modified < _YOUNG_SECONDS:
            return True
        old.append(digest)
        return place.touch(key_of(digest))

    def keep_file(file: StoredFile) -> None:
        if not is_there(file.digest, file.bytes):
            place.upload(key_of(file.digest), file.path, file.digest, file.check, progress)

    _each(keep_file, files.values())
    for file in content.files:
        file.check()
    if content.manifest is not None and not is_there(content.digest, len(content.manifest)):
        place.upload_bytes(key_of(content.digest), content.manifest, content.digest)
    return bool(old)


def files(place: Place, version: Version) -> dict[str, tuple[str, int]]:
    """The files of a version: relative path to digest and bytes.

    Raises:
        Refusal: A folder's manifest is missing or damaged.
    """
    if version.kind == "file":
        return {version.filename: (version.digest, version.bytes)}
    key = key_of(version.digest)
    data = place.read(key)
    if data is None:
        raise _missing(place, version, version.digest)
    if digest_of_bytes(data) != version.digest:
        raise _flipped(place, version, version.digest)
    return files_of(data, place.where(key))


def bring(place: Place, version: Version, target: Path, progress: Progress | None = None) -> None:
    """Brings a file or folder out, verified; it gets its name when all of it is there.

    Raises:
        Refusal: Bytes are missing or damaged, a folder's place is taken, or it cannot be written.
    """
    with _worded(target):
        if version.kind == "folder":
            _bring_folder(place, version, target, progress)
        else:
            with written_whole(target) as beside:
                _bring(place, version, version.digest, beside, progress)


def bring_one(place: Place, version: Version, digest: str, target: Path) -> None:
    """Brings one file of a folder out, verified."""
    with _worded(target), written_whole(target) as beside:
        _bring(place, version, digest, beside, None)


def verify(place: Place, version: Version) -> None:
    """Reads all bytes of a version and compares them with their digests.

    Raises:
        Refusal: Bytes are missing or damaged.
    """

    def check(digest: str) -> None:
        if path := place.local(key_of(digest)):
            _compare(place, version, digest, file_digest(path))
        else:
            with tempfile.TemporaryDirectory() as scratch:
                _bring(place, version, digest, Path(scratch) / "bytes", None)

    _each(check, {digest for digest, _ in files(place, version).values()})


@contextmanager
def _worded(target: Path) -> Iterator[None]:
    """Words what can go wrong with the disk that something is brought to."""
    try:
        yield
    except OSError as error:
        said = "no space left on the disk" if no_space(error) else f"it cannot be written ({error.strerror or error})"
        mend = "free some, or name another place" if no_space(error) else "name a place that you may write to"
        raise Refusal(said, where=str(target), mend=mend) from None


def _bring_folder(place: Place, version: Version, target: Path, progress: Progress | None) -> None:
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise Refusal(
            "there is something already; a folder is not written over it",
            where=str(target),
            mend="name a folder that is not there yet, or is empty",
        )
    found = files(place, version)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        os.chmod(beside, 0o777 & ~_umask())
        for path in found:
            (beside / path).parent.mkdir(parents=True, exist_ok=True)
        _each(lambda path: _bring(place, version, found[path][0], beside / path, progress), found)
        os.replace(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def local(place: Place, version: Version) -> Path | None:
    """The store's own file with a version's bytes, verified; None where the place has no files of this machine.

    It must not be written to.
    """
    path = place.local(key_of(version.digest))
    if path:
        _compare(place, version, version.digest, file_digest(path))
    return path


def _bring(place: Place, version: Version, digest: str, path: Path, progress: Progress | None) -> None:
    _compare(place, version, digest, place.bring(key_of(digest), path, progress))


def _compare(place: Place, version: Version, digest: str, came: str | None) -> None:
    """Refuses bytes that are missing, or that have another digest than the one that they are stored under."""
    if came is None:
        raise _missing(place, version, digest)
    if came != digest:
        raise _flipped(place, version, digest)


def _each(do: Callable[[Item], None], items: Iterable[Item]) -> None:
    """Does something for each, several at a time; the first that fails ends it."""
    items = list(items)
    if len(items) < 2:
        for item in items:
            do(item)
        return
    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        for future in [pool.submit(do, item) for item in items]:
            future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _umask() -> int:
    present = os.umask(0o077)
    os.umask(present)
    return present


def _missing(place: Place, version: Version, digest: str) -> Refusal:
    return Refusal(
        f"bytes of {version.ref} are missing in the store",
        where=place.where(key_of(digest)),
        mend=f"put the same data as {version.name} again, which brings them back, or take another version",
    )


def _flipped(place: Place, version: Version, digest: str) -> Refusal:
    return Refusal(
        f"bytes of {version.ref} are damaged in the store: they no longer have the digest that they are stored under",
        where=place.where(key_of(digest)),
        mend=f"delete this object and put the same data as {version.name} again, or take another version; "
        "check the disk",
    )
