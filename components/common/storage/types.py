"""What the readers of addresses have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass

CHUNK = 1 << 20
"""Bytes that are held at once."""
CONNECT_SECONDS, READ_SECONDS = 10, 60
"""How long to wait for a connection, and for the next bytes."""
Progress = Callable[[int, int | None], None]
"""Is told bytes so far and bytes in all, where known."""


class Passing(Exception):
    """A failure that may pass when tried again: a broken connection, a server's own fault."""


@dataclass(frozen=True)
class Validators:
    """What a server says about a version of an object, by which it is known again."""

    etag: str | None = None
    last_modified: str | None = None
    size: int | None = None
    """Bytes, where they are announced."""
    version: str | None = None
    """The version of an object in a bucket that keeps versions."""

    @property
    def any(self) -> bool:
        """Whether there is anything to know a version by."""
        return bool(self.etag or self.last_modified or self.version)

    def same(self, other: Validators) -> bool:
        """Whether two answers are about the same bytes.

        An ETag decides where both have one. A date alone has a resolution of one second, so the size, too, must agree.
        """
        if self.size is not None and other.size is not None and self.size != other.size:
            return False
        if self.version and other.version:
            return self.version == other.version
        if self.etag and other.etag:
            return self.etag == other.etag
        return bool(self.last_modified) and self.last_modified == other.last_modified and self.size == other.size

    def differs(self, other: Validators) -> bool:
        """Whether two answers speak of different bytes. Answers that say too little neither differ nor are the same."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return any(mine is not None and theirs is not None and mine != theirs for mine, theirs in pairs)


@dataclass(frozen=True)
class Incoming:
    """An object whose bytes are about to be read."""

    validators: Validators
    chunks: Iterator[bytes]
    """Raises `Passing` where the connection breaks, or where fewer bytes came than were announced."""
