"""Bringing the bytes of a source to a file: in chunks, hashed on the way, whole or not at all."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from components.common.base.errors import Refusal
from components.common.base.files import written_whole
from components.common.storage.address import Address, parse
from components.common.storage.types import Incoming, Passing, Progress, Validators

PAUSES = (0.5, 2.0)
"""Seconds between the tries of a transfer; one more try than pauses."""

Result = TypeVar("Result")


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
                checksum, size = pour(incoming, beside, progress)
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


def pour(incoming: Incoming, path: Path, progress: Progress | None) -> tuple[str, int]:
    """Writes an object's bytes to a file; gives the SHA-256 in hex and how many there are."""
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
        from components.common.storage import http

        return http
    if address.kind == "s3":
        from components.common.storage import s3

        return s3
    if address.kind == "path":
        from components.common.storage import local

        return local
    raise Refusal("a sample is made, not fetched", where=address.shown)
