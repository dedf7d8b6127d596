"""Files of this machine as a source."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from components.common.base.errors import Refusal, misspelt
from components.common.storage.address import Address
from components.common.storage.types import CHUNK, Incoming, Validators

_SHOWN = 5
"""Files that a message names."""


@contextmanager
def get(address: Address, known: Validators | None) -> Iterator[Incoming]:
    """Opens a file to read its bytes; there is no cheaper way to know whether they changed."""
    path = Path(address.target)
    size = state(path, address.shown).st_size
    with open(path, "rb") as file:
        yield Incoming(Validators(size=size), iter(lambda: file.read(CHUNK), b""))


def state(path: Path, shown: str) -> os.stat_result:
    """A file's size, time of change and inode.

    Raises:
        Refusal: There is no such file, it is a folder, or it may not be read.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise Refusal("the file does not exist", where=shown, mend=_nearby(path)) from None
    except PermissionError:
        raise Refusal("the file may not be read", where=shown, mend="check the permissions of its folder") from None
    except (OSError, ValueError) as error:
        raise Refusal(f"not a path ({error})", where=shown) from None
    if stat.S_ISDIR(found.st_mode):
        raise Refusal("this is a folder", where=shown, rule="a file is read here")
    if not stat.S_ISREG(found.st_mode):
        raise Refusal("this is no regular file", where=shown, rule="a source is read more than once")
    if not os.access(path, os.R_OK):
        raise Refusal("the file may not be read", where=shown, mend="check its permissions")
    return found


def entries(folder: str, address: Address, start: str) -> Iterator[tuple[str, list[int] | None]]:
    """Give the names in a folder that start so, each with the identity of the file; None of a folder.

    Raises:
        Refusal: There is no such folder, it may not be read, or one of its files may not.
    """
    try:
        found = os.scandir(folder or "/")
    except OSError as error:
        raise Refusal(f"the folder cannot be read ({error.strerror})", where=address.shown, value=folder) from None
    with found:
        for entry in found:
            if entry.name.startswith(start):
                yield entry.name, None if entry.is_dir() else identity(state(Path(entry.path), entry.path))


def identity(found: os.stat_result) -> list[int]:
    """What changes when a file's bytes do: size, times in nanoseconds (one cannot be set back), inode, device."""
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev]


def _nearby(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent} either"
    files = _files(path.parent)
    if not files:
        return "its folder holds no file"
    rest = ", …" if len(files) > _SHOWN else ""
    return misspelt(path.name, files) or f"its folder holds {', '.join(files[:_SHOWN])}{rest}"


def _files(folder: Path) -> list[str]:
    """The files of a folder, by name, without hidden ones; a thousand at most, none where it may not be read."""
    try:
        with os.scandir(folder) as found:
            files = (entry.name for entry in found if entry.is_file() and not entry.name.startswith("."))
            return sorted(islice(files, 1000))
    except OSError:
        return []
