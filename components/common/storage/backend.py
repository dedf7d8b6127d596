"""What the store needs of the place that it lies in. A folder and a bucket are such places, with the same layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from components.common.storage.types import Progress


@dataclass(frozen=True)
class Found:
    """A key that is there."""

    key: str
    bytes: int
    modified: float
    """Seconds since the epoch."""


class Place(Protocol):
    """Bytes by key. Keys are relative, with slashes.

    All of it rests on one promise: `create` lets one of many writers have a key, and the bytes behind a key are whole
    as soon as it is seen. All methods raise a `Refusal` where the place cannot be used.
    """

    shown: str
    """The place in messages, without credentials."""

    def where(self, key: str) -> str:
        """A key in messages."""

    def read(self, key: str) -> bytes | None:
        """The bytes behind a key; None where there is none."""

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The same for many keys at once."""

    def create(self, key: str, data: bytes) -> bool:
        """Puts bytes behind a key that is free; says whether it was, for this writer."""

    def keys(self, prefix: str, after: str = "") -> Iterator[Found]:
        """All keys that start with a prefix (which ends with a slash) and come after another."""

    def first(self, prefix: str) -> str | None:
        """The first of them."""

    def folders(self, prefix: str) -> list[str]:
        """The names that follow a prefix, up to the next slash."""

    def look(self, key: str) -> Found | None:
        """What is behind a key; None where it is free."""

    def touch(self, key: str) -> bool:
        """Makes the bytes behind a key as young as if they came now; says no where that cannot be done."""

    def upload(
        self, key: str, path: Path, digest: str, check: Callable[[], None], progress: Progress | None = None
    ) -> None:
        """Puts a file's bytes behind a key. Whoever else does so puts the same bytes.

        Args:
            key: The key.
            path: The file.
            digest: Its SHA-256 in hex.
            check: Raises where the file has changed; is called when all of it was read and before the key is there.
            progress: Is told bytes so far and bytes in all.
        """

    def upload_bytes(self, key: str, data: bytes, digest: str) -> None:
        """The same for bytes in memory."""

    def bring(self, key: str, path: Path, progress: Progress | None = None) -> str | None:
        """Writes the bytes behind a key to a file; gives the SHA-256 of what was written, None where there is none."""

    def local(self, key: str) -> Path | None:
        """A file of this machine with those bytes, where the place has one."""

    def delete(self, keys: Iterable[str]) -> None:
        """Frees keys, those that are free already too."""

    def clear_uploads(self, before: float) -> int:
        """Gives up uploads that were begun before a time, seconds since the epoch, and never ended; says how many."""
