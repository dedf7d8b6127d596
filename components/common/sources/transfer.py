"""Bringing the bytes of a source to a file: in chunks, hashed on the way, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from components.common.errors import Refusal
from components.common.sources.address import Address, parse
from components.common.tables import written_whole

CHUNK = 1 << 20
"""Bytes that are held at once."""
CONNECT_SECONDS, READ_SECONDS = 10, 60
"""How long to wait for a connection, and for the next bytes."""
PAUSES = (0.5, 2.0)
"""Seconds between the tries of a transfer; one more try than pauses."""

Progress = Callable[[int, int | None], None]
"""Is told bytes so far and bytes in all, where known."""
Result = TypeVar("Result")


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


@dataclass(frozen=True)
class Fetched:
    """A source that was brought to a file."""

    path: Path
    sha256: str
    size: int
    """Bytes of the file."""
    url: str
    """The source, without credentials."""
    etag: str | None = None
    last_modified: str | None = None


def fetch(source: str, destination: str | os.PathLike[str], *, progress: Progress | None = None) -> Fetched:
    """Brings a source to a file, which appears whole or not at all.

    Args:
        source: A path, or an http(s) or s3 URL.
        destination: Where to put it.
        progress: Is told how far it is.

    Raises:
        Refusal: There is nothing there, it may not be read, or the connection failed three times.
    """
    address = parse(source)
    received = receive(address, Path(destination), None, progress)
    assert received is not None  # Only an object that is known already can be unchanged.
    checksum, size, validators = received
    return Fetched(Path(destination), checksum, size, address.shown, validators.etag, validators.last_modified)


def receive(
    address: Address, destination: Path, known: Validators | None, progress: Progress | None
) -> tuple[str, int, Validators] | None:
    """Brings an object to a file unless it is the one that is known already.

    Returns:
        SHA-256 in hex, bytes, and what the server said of it; nothing where it did not change.
    """
    gate = door(address)

    def once() -> tuple[str, int, Validators] | None:
        with gate.get(address, known) as incoming:
            if incoming is None:
                return None
            with written_whole(destination) as beside:
                checksum, size = _pour(incoming, beside, progress)
            return checksum, size, incoming.validators

    return tried(once, address)


def tried(attempt: Callable[[], Result], address: Address) -> Result:
    """Calls `attempt` until it succeeds, three times at most, with growing pauses.

    Raises:
        Refusal: It failed each time with `Passing`.
    """
    for pause in (*PAUSES, None):
        try:
            return attempt()
        except Passing as failure:
            if pause is None:
                raise Refusal(
                    str(failure),
                    where=address.shown,
                    rule=f"tried {len(PAUSES) + 1} times",
                    mend="check the address and the connection, and try again",
                ) from None
        time.sleep(pause)
    raise AssertionError("unreachable")


def _pour(incoming: Incoming, path: Path, progress: Progress | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with open(path, "wb") as file:
        for chunk in incoming.chunks:
            digest.update(chunk)
            file.write(chunk)
            size += len(chunk)
            if progress:
                progress(size, incoming.validators.size)
    return digest.hexdigest(), size


def door(address: Address) -> ModuleType:
    """The module that can `get` an address and, where it is remote, tell whether a known one is `unchanged`."""
    if address.kind == "http":
        from components.common.sources import http as gate
    elif address.kind == "s3":
        from components.common.sources import s3 as gate
    elif address.kind == "path":
        from components.common.sources import local as gate
    else:
        raise Refusal("a sample is made, not fetched", where=address.shown)
    return gate
