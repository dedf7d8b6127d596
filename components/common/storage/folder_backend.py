"""An artifact store in a folder of this machine, or one that all machines mount."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from components.common.base.errors import Refusal, no_space
from components.common.base.files import file_digest
from components.common.storage.backend import Found
from components.common.storage.types import Progress

_INCOMING = "incoming"
_STRIDE = 64 << 20


class FolderPlace:
    """Keys are paths below a folder.

    Everything is written beside first, flushed to the disk, and then given its name: by a hard link where the first
    writer must win (a link never replaces a file, on NFS neither), by renaming where all write the same.

    Args:
        root: The folder; made with the first write.
    """

    def __init__(self, root: Path):
        self.root = root
        self.shown = str(root)

    def where(self, key: str) -> str:
        """The path of a key."""
        return str(self.root / key)

    def read(self, key: str) -> bytes | None:
        """The bytes behind a key; None where there is none."""
        with self._worded():
            try:
                return (self.root / key).read_bytes()
            except FileNotFoundError:
                return None

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The same for many keys."""
        return [self.read(key) for key in keys]

    def create(self, key: str, data: bytes) -> bool:
        """Puts bytes behind a key that is free; says whether it was."""
        with self._worded(), self._beside() as (beside, named):
            beside.write_bytes(data)
            _flush(beside)
            target = named(key)
            try:
                os.link(beside, target)
            except FileExistsError:
                # Over NFS a link may be made and its answer be lost; the second try then finds the first one's.
                return os.stat(beside).st_nlink == 2
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise
                raise Refusal(
                    "this file system has no hard links, which keep two writers from making the same version",
                    where=self.shown,
                    mend="name a folder on another disk, or an s3:// URL, with TABPIPE_ARTIFACTS or --store",
                ) from None
            return True

    def keys(self, prefix: str, after: str = "") -> Iterator[Found]:
        """All keys that start with a prefix and come after another, in no order."""
        with self._worded():
            for folder, _, names in os.walk(self.root / prefix):
                inner = Path(folder).relative_to(self.root).as_posix()
                for name in names:
                    key = f"{inner}/{name}"
                    if key > after:
                        try:
                            state = os.stat(os.path.join(folder, name))
                        except FileNotFoundError:  # deleted in between
                            continue
                        yield Found(key, state.st_size, state.st_mtime)

    def first(self, prefix: str) -> str | None:
        """The first key that starts with a prefix."""
        with self._worded():
            try:
                return prefix + min(os.listdir(self.root / prefix))
            except (FileNotFoundError, ValueError):
                return None

    def folders(self, prefix: str) -> list[str]:
        """The names that follow a prefix."""
        with self._worded():
            try:
                return sorted(entry.name for entry in os.scandir(self.root / prefix) if entry.is_dir())
            except FileNotFoundError:
                return []

    def look(self, key: str) -> Found | None:
        """What is behind a key; None where it is free."""
        with self._worded():
            try:
                state = (self.root / key).stat()
            except FileNotFoundError:
                return None
            return Found(key, state.st_size, state.st_mtime)

    def touch(self, key: str) -> bool:
        """Makes a file young; says no where it is gone or another user's."""
        try:
            os.utime(self.root / key)
        except (FileNotFoundError, PermissionError):
            return False
        return True

    def upload(
        self, key: str, path: Path, digest: str, check: Callable[[], None], progress: Progress | None = None
    ) -> None:
        """Copies a file; the copy shares its blocks where the file system can."""
        with self._worded(), self._beside() as (beside, named):
            _copy(path, beside, progress)
            check()
            self._keep(beside, named(key))

    def upload_bytes(self, key: str, data: bytes, digest: str) -> None:
        """Puts bytes in memory behind a key."""
        with self._worded(), self._beside() as (beside, named):
            beside.write_bytes(data)
            self._keep(beside, named(key))

    def bring(self, key: str, path: Path, progress: Progress | None = None) -> str | None:
        """Copies the bytes behind a key to a file and hashes the copy.

        The copy is never a hard link, not even a read-only one: whoever may change its mode could write into the store.
        """
        source = self.root / key
        if not source.is_file():
            return None
        _copy(source, path, progress)
        return file_digest(path)

    def local(self, key: str) -> Path | None:
        """The file behind a key."""
        path = self.root / key
        return path if path.is_file() else None

    def delete(self, keys: Iterable[str]) -> None:
        """Frees keys."""
        with self._worded():
            for key in keys:
                (self.root / key).unlink(missing_ok=True)

    def clear_uploads(self, before: float) -> int:
        """Deletes what killed writers have left beside."""
        left = [found.key for found in self.keys(_INCOMING) if found.modified < before]
        self.delete(left)
        return len(left)

    def _keep(self, beside: Path, target: Path) -> None:
        os.chmod(beside, 0o444)
        _flush(beside)
        os.replace(beside, target)

    @contextmanager
    def _beside(self):
        """Gives a free path, and a function that makes the folder of a key and gives its path."""
        incoming = self.root / _INCOMING
        incoming.mkdir(parents=True, exist_ok=True)
        beside = incoming / uuid.uuid4().hex

        def named(key: str) -> Path:
            target = self.root / key
            target.parent.mkdir(parents=True, exist_ok=True)
            return target

        try:
            yield beside, named
        finally:
            beside.unlink(missing_ok=True)

    @contextmanager
    def _worded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if no_space(error):
                raise Refusal(
                    "no space left on the disk; no version was made",
                    where=self.shown,
                    mend="free some (tabpipe artifacts gc), or name another folder with TABPIPE_ARTIFACTS or --store",
                ) from None
            raise Refusal(
                f"the artifact store cannot be used ({error.strerror or error})",
                where=str(error.filename or self.shown),
                mend="check its permissions, or name another one with TABPIPE_ARTIFACTS or --store",
            ) from None


def _flush(path: Path) -> None:
    """Brings a file to the disk, so that a name never outlives its bytes when the power goes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path, progress: Progress | None) -> None:
    """Copies within the kernel, which shares the blocks on file systems such as XFS and Btrfs."""
    with open(source, "rb") as reading, open(target, "wb") as writing:
        whole, done = os.fstat(reading.fileno()).st_size, 0
        if not hasattr(os, "copy_file_range"):
            shutil.copyfileobj(reading, writing, 1 << 20)
            return
        try:
            while count := os.copy_file_range(reading.fileno(), writing.fileno(), _STRIDE):
                done += count
                if progress:
                    progress(done, whole)
        except OSError as error:
            if done or error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP):
                raise
        if whole and not done:  # Some file systems cannot, and some of them say so by copying nothing.
            shutil.copyfileobj(reading, writing, 1 << 20)
