"""What a step reads from: a file with the bytes of a source, or its part files."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.common.sources import cache as kept
from components.common.sources import from_artifact
from components.common.sources.parts import Parts, checksum_of, listed, parts_of
from components.common.sources.resolve import file_checksum, local_digests, resolve
from components.common.sources.unchanged import changed, unchanged
from components.common.storage.address import Address, parse
from components.common.storage.fetch import fetch
from components.common.storage.local import identity, state
from components.common.storage.types import Progress


@dataclass(frozen=True)
class Opened:
    """A file on this machine with the bytes of a source, or its part files in their order.

    `open_table(opened.path, reading, name=opened.name, where=opened.shown)` reads either as one table.
    """

    path: Path | list[Path]
    """The file, or the part files; so are `name` and `shown`."""
    checksum: str
    """SHA-256 in hex, as `resolve` gives it."""
    name: str | list[str]
    """The source's own file name, whose ending tells the format."""
    shown: str | list[str]
    """The source, without credentials."""

    @property
    def paths(self) -> list[Path]:
        """The files, also where it is one."""
        return self.path if isinstance(self.path, list) else [self.path]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.paths)


@contextmanager
def open_bytes(
    source: str, scratch: Path, *, checksum: str = "", store: Path | None = None, progress: Progress | None = None
) -> Iterator[Opened]:
    """Gives a file with the bytes of a source: the source itself where it is one, stored content, or a download.

    Of a folder, a pattern or an S3 prefix it gives the part files.

    Args:
        source: A path (of a file, a folder or a pattern), or an http(s), s3 or artifact URL.
        scratch: A folder for a download that is removed when the block ends; made if absent.
        checksum: SHA-256 of the bytes that are wanted; empty takes what is there now.
        store: The folder that `resolve` fetches into, if there is one.
        progress: Is told how far a download is.

    Raises:
        Refusal: There is nothing there, or the bytes are not those that are wanted, or changed within the block.
    """
    address = parse(source)
    parts = parts_of(address)
    if parts and address.kind == "path":
        with unchanged(lambda: listed(parts), address) as states:
            digests = local_digests(parts, states, store)
            there = {name: Path(parts.part(name).target) for name in digests}
            yield _wanted(checksum, _opened(parts, there, checksum_of(digests)), address)
        return
    if address.kind == "path":
        with unchanged(lambda: identity(state(Path(address.target), address.shown)), address):
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
    if store and parts and (there := stored_parts(store, checksum)):
        yield _opened(parts, there, checksum)
        return
    if store and not parts and (content := kept.content(store, checksum)):
        yield Opened(content, checksum, address.name, address.shown)
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".incoming-") as folder:
        if parts:
            whole = resolve(source, Path(folder), progress).checksum
            yield _wanted(checksum, _opened(parts, stored_parts(Path(folder), whole), whole), address)
            return
        fetched = fetch(source, Path(folder) / "bytes", progress=progress)
        yield _wanted(checksum, Opened(fetched.path, fetched.sha256, address.name, address.shown), address)


def _wanted(checksum: str, opened: Opened, address: Address) -> Opened:
    if checksum and opened.checksum != checksum:
        raise changed(address)
    return opened


def stored_parts(store: Path, checksum: str) -> dict[str, Path]:
    """Return the stored part files by name, verified; none if one of them, or what lists them, is not there."""
    manifest = kept.content(store, checksum)
    digests = json.loads(manifest.read_bytes()) if manifest else {}
    there = {name: path for name, digest in digests.items() if (path := kept.content(store, digest))}
    return there if len(there) == len(digests) else {}


def _opened(parts: Parts, there: dict[str, Path], checksum: str) -> Opened:
    shown = [parts.part(name).shown for name in there]
    return Opened(list(there.values()), checksum, list(there), shown)
