"""What a step reads from: a file with the bytes of a source."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.common.base.errors import Refusal
from components.common.sources import cache as kept
from components.common.sources import from_artifact
from components.common.sources.resolve import changed, file_checksum, resolve
from components.common.storage.address import Address, parse
from components.common.storage.fetch import fetch
from components.common.storage.local import identity, state
from components.common.storage.types import Progress


@dataclass(frozen=True)
class Opened:
    """A file on this machine with the bytes of a source."""

    path: Path
    checksum: str
    """SHA-256 in hex."""
    name: str
    """The source's own file name, whose ending tells the format."""
    shown: str
    """The source, without credentials."""


@contextmanager
def open_bytes(
    source: str, scratch: Path, *, checksum: str = "", store: Path | None = None, progress: Progress | None = None
) -> Iterator[Opened]:
    """Gives a file with the bytes of a source: the source itself where it is one, stored content, or a download.

    Args:
        source: A path, or an http(s), s3 or artifact URL.
        scratch: A folder for a download that is removed when the block ends; made if absent.
        checksum: SHA-256 of the bytes that are wanted; empty takes what is there now.
        store: The folder that `resolve` fetches into, if there is one.
        progress: Is told how far a download is.

    Raises:
        Refusal: There is nothing there, or the bytes are not those that are wanted, or changed within the block.
    """
    address = parse(source)
    if address.kind == "path":
        with _still(address):
            yield _wanted(
                checksum,
                Opened(Path(address.target), file_checksum(address, store), address.name, address.shown),
                address,
            )
        return
    if address.kind == "artifact":
        with from_artifact.opened(address, checksum, scratch, progress) as (path, version):
            yield Opened(path, version.digest, version.filename, address.shown)
        return
    if store and not checksum:
        checksum = resolve(source, store, progress).checksum
    if store and (content := kept.content(store, checksum)):
        yield Opened(content, checksum, address.name, address.shown)
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".incoming-") as folder:
        fetched = fetch(source, Path(folder) / "bytes", progress=progress)
        yield _wanted(checksum, Opened(fetched.path, fetched.sha256, address.name, address.shown), address)


def _wanted(checksum: str, opened: Opened, address: Address) -> Opened:
    if checksum and opened.checksum != checksum:
        raise changed(address)
    return opened


@contextmanager
def _still(address: Address) -> Iterator[None]:
    """Refuses a file that is changed while the block reads it; that is said first, whatever else it led to."""
    before = identity(state(Path(address.target), address.shown))
    try:
        yield
    except Refusal:
        if identity(state(Path(address.target), address.shown)) != before:
            raise changed(address) from None
        raise
    if identity(state(Path(address.target), address.shown)) != before:
        raise changed(address)
