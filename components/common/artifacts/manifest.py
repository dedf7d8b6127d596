"""What is to be stored, hashed once: a file, or a folder as the manifest of its files."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from components.common.artifacts.version import damaged, decoded
from components.common.base.artifact_ref import check_digest
from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from components.common.storage.local import identity


@dataclass(frozen=True)
class StoredFile:
    """A file that is to be stored."""

    path: Path
    digest: str
    bytes: int
    identity: list[int]
    """What it was known by before it was read."""

    def check(self) -> None:
        """Refuses the file if it is no longer the one that was hashed."""
        try:
            same = identity(self.path.stat()) == self.identity
        except OSError:
            same = False
        if not same:
            raise Refusal(
                "the file changed while it was being stored", where=str(self.path), mend="put it again when it is whole"
            )


@dataclass(frozen=True)
class Content:
    """What a version will hold."""

    digest: str
    kind: Literal["file", "folder"]
    filename: str
    files: tuple[StoredFile, ...]
    manifest: bytes | None
    """Of a folder: what its digest is the SHA-256 of."""

    @property
    def bytes(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

    @property
    def digests(self) -> list[str]:
        """Of all objects that it takes."""
        return list(dict.fromkeys([self.digest, *(file.digest for file in self.files)]))


def content_of(path: str | os.PathLike[str]) -> Content:
    """Reads a file or a folder once, to know its digests.

    A folder is its files by their relative paths; empty folders, modes and times are not part of it.

    Raises:
        Refusal: There is nothing, or something that cannot be stored: a link within a folder, a device, no files.
    """
    given = Path(path)
    try:
        top = given.resolve(strict=True)
        if not top.is_dir():
            file = _hashed(top)
            return Content(file.digest, "file", given.name, (file,), None)
        files = {inner: _hashed(found) for inner, found in sorted(_walk(top).items())}
    except OSError as error:
        said = (error.strerror or str(error)).lower()
        raise Refusal(f"it cannot be read ({said})", where=str(error.filename or given)) from None
    if not files:
        raise Refusal("this folder has no files", where=str(given), mend="name a folder with something in it")
    manifest = manifest_of({inner: (file.digest, file.bytes) for inner, file in files.items()})
    name = top.name or "root" if given.name in ("", "..") else given.name
    return Content(digest_of_bytes(manifest), "folder", name, tuple(files.values()), manifest)


def digest_of(path: str | os.PathLike[str]) -> str:
    """The digest that a version of a file or folder has; of a file it is the SHA-256 of its bytes."""
    return content_of(path).digest


def digest_of_bytes(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def manifest_of(files: Mapping[str, tuple[str, int]]) -> bytes:
    """A folder as bytes: the same for the same files.

    Args:
        files: Relative path with slashes to digest and bytes.
    """
    listed = {path: {"bytes": size, "digest": digest} for path, (digest, size) in sorted(files.items())}
    return json.dumps({"files": listed}, indent=0, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def files_of(manifest: bytes, where: str) -> dict[str, tuple[str, int]]:
    """The files of a folder: relative path to digest and bytes.

    Raises:
        Refusal: The manifest is damaged, or names a path that would lead out of the folder, or what is no digest.
    """
    try:
        files = {path: (entry["digest"], entry["bytes"]) for path, entry in decoded(manifest, where)["files"].items()}
    except (KeyError, TypeError, AttributeError):
        raise damaged(where) from None
    for path, (digest, _) in files.items():
        check_digest(digest, where)
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or str(pure) != path or "\0" in path or path == ".":
            raise Refusal(
                "this folder names a file outside of itself",
                where=where,
                value=path,
                mend="do not trust this store: such a record is never written by tabpipe",
            )
    return files


def _walk(top: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}

    def fail(error: OSError) -> None:
        raise error

    for folder, folders, names in os.walk(top, onerror=fail):
        for name in [*folders, *names]:
            path = Path(folder) / name
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                inner = path.relative_to(top).as_posix()
                try:
                    inner.encode()
                except UnicodeEncodeError:
                    raise Refusal("a file's name is not UTF-8", where=str(top), value=repr(inner)) from None
                found[inner] = path
            elif not stat.S_ISDIR(mode):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
                raise Refusal(
                    f"this is {what}",
                    where=str(path),
                    rule="an artifact holds files, so that it means the same on every machine",
                    mend="put a copy of what is meant, or leave it out",
                )
    return found


def _hashed(path: Path) -> StoredFile:
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise Refusal("this is no regular file", where=str(path), rule="an artifact holds files")
    return StoredFile(path, file_digest(path), state.st_size, identity(state))
