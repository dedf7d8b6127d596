"""Copies of models on this machine: whole ones, the last two of each source, in folders named by their digest.

CACHE/champion-1a2b3c4d/DIGEST/     a model; 1a2b3c4d stands for the source, so that servers may share a cache
CACHE/champion-1a2b3c4d.json        which copies there are, the present one first
CACHE/champion-1a2b3c4d/.part-…     a copy in the making, locked by its maker
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from components.common.artifacts import digest_of
from components.common.base.errors import Refusal, no_space
from components.common.base.files import written_whole
from components.common.registry.model_source import home_of

KEPT = 2
"""A rollback to the version before needs no download."""


@dataclass(frozen=True)
class Copy:
    """A version of a model that is on this machine."""

    name: str
    version: str
    digest: str
    folder: str


def place_of(cache: str | os.PathLike[str], role: str, source: str) -> Path:
    """The folder of a source's copies.

    Args:
        cache: The folder of all copies.
        role: champion or challenger.
        source: As it was configured; the registry or store that it is relative to counts, too.
    """
    mark = hashlib.blake2b(f"{source}\n{home_of(source)}".encode(), digest_size=4).hexdigest()
    return Path(cache).expanduser().absolute() / f"{role}-{mark}"


def brought(place: Path, digest: str, bring: Callable[[Path], Path]) -> tuple[str, Path]:
    """Sees to it that a whole copy is there.

    Args:
        place: The folder of a source's copies.
        digest: Of the model; empty where it is not known.
        bring: Copies it below the empty folder that it is given, and tells where.

    Returns:
        The digest and the folder.

    Raises:
        Refusal: What came is not what was announced, or cannot be written. Nothing is left of it then.
    """
    if digest and whole(place / digest, digest):
        return digest, place / digest
    with _worded(place), _part(place) as part:
        came = bring(part)
        found = digest_of(came)
        if digest and found != digest:
            raise Refusal(
                "the model is damaged where it is kept: its bytes do not have the digest that it was registered with",
                value=found,
                rule=digest,
                mend="register the model again, or move the alias to another version",
            )
        target = place / found
        if not whole(target, found):
            _discard(target, part)
            try:
                os.replace(came, target)
            except OSError as error:
                # Another server that shares this cache was first.
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not whole(target, found):
                    raise
    return found, target


def whole(folder: Path, digest: str) -> bool:
    """Whether a copy is there with all its bytes as they were."""
    try:
        return folder.is_dir() and digest_of(folder) == digest
    except (Refusal, OSError):
        return False


def note(place: Path, copy: Copy) -> None:
    """Notes which copy is the present one, and gives up those before the last two."""
    with _worded(place), _locked(place):
        kept = [copy, *(one for one in _noted(place) if one.digest != copy.digest)][:KEPT]
        _write(place, kept)
        names = {one.digest for one in kept}
        for folder in place.iterdir():
            if not folder.name.startswith(".") and folder.name not in names:
                shutil.rmtree(folder, ignore_errors=True)


def last(place: Path) -> Copy | None:
    """The present copy as far as this machine knows; None where there is none, or where it is damaged."""
    noted = _noted(place)
    return noted[0] if noted and whole(place / noted[0].digest, noted[0].digest) else None


def forget(place: Path) -> None:
    """Notes that the source means no model any more; the copies stay, should it mean one of them again."""
    note_of(place).unlink(missing_ok=True)


def note_of(place: Path) -> Path:
    """The file that tells of a source's copies."""
    return place.with_name(f"{place.name}.json")


def sweep(place: Path) -> None:
    """Removes copies in the making whose maker was stopped."""
    if not place.is_dir():
        return
    with suppress(OSError), _locked(place):
        for part in place.glob(".part-*"):
            with suppress(OSError), _held(part, wait=False):
                shutil.rmtree(part, ignore_errors=True)


def _noted(place: Path) -> list[Copy]:
    """What is noted; a note that cannot be read is as good as none, for all can be brought anew."""
    try:
        listed = json.loads(note_of(place).read_text(encoding="utf-8"))["copies"]
        copies = [Copy(one["name"], one["version"], one["digest"], str(place / one["digest"])) for one in listed]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [copy for copy in copies if copy.digest.isalnum()]


def _write(place: Path, copies: list[Copy]) -> None:
    listed = [{key: value for key, value in asdict(copy).items() if key != "folder"} for copy in copies]
    with written_whole(note_of(place)) as beside:
        beside.write_text(json.dumps({"copies": listed}, indent=1) + "\n", encoding="utf-8")


def _discard(target: Path, part: Path) -> None:
    """Takes a damaged copy away, at once."""
    with suppress(FileNotFoundError):
        os.replace(target, part / "damaged")


@contextmanager
def _part(place: Path) -> Iterator[Path]:
    """A folder to make a copy in. Whoever is killed meanwhile loses the lock on it, and `sweep` removes it."""
    place.mkdir(parents=True, exist_ok=True)
    with _locked(place):
        part = Path(tempfile.mkdtemp(dir=place, prefix=".part-"))
        holding = _held(part, wait=True)
        holding.__enter__()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        holding.__exit__(None, None, None)


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    """One server at a time: for moments only."""
    with _held(place, wait=True):
        yield


@contextmanager
def _held(folder: Path, *, wait: bool) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def _worded(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # The errors of connections are kinds of OSError, too; they name no file.
        if error.filename is None and error.errno != errno.ENOSPC:
            raise
        said = "no space left on the disk" if no_space(error) else f"it cannot be written ({error.strerror or error})"
        raise Refusal(
            f"no copy of the model could be kept: {said}",
            where=str(error.filename or place),
            mend="let TABPIPE_SERVE_CACHE name a folder with space that the server may write to",
        ) from error
