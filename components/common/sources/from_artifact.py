"""Artifacts as a source: a version's file out of the artifact store."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.common.storage.address import Address
from components.common.storage.types import Progress

if TYPE_CHECKING:
    from components.common.artifacts import Version


def find(address: Address, checksum: str = "") -> Version:
    """The version that an address means; that with a checksum, if one is given: an alias may have moved since.

    Raises:
        Refusal: There is none, or it is a folder.
    """
    from components.common.artifacts import open_store

    name = address.target.partition(":")[0]
    version = open_store().resolve(f"{name}:{checksum}" if checksum else address.target)
    if version.kind == "folder":
        raise Refusal(
            f"{version.ref} is a folder of {version.files} files",
            where=address.shown,
            rule="an artifact that is a source is one file",
            mend="name an artifact that is a table; tabpipe artifacts list shows them",
        )
    return version


@contextmanager
def opened(address: Address, checksum: str, scratch: Path, progress: Progress | None) -> Iterator[tuple[Path, Version]]:
    """Gives a file with a version's bytes, verified: the store's own where it is on this machine.

    Args:
        address: The artifact.
        checksum: SHA-256 of the bytes that are wanted; empty takes what the alias points to now.
        scratch: A folder for a file that is removed when the block ends; made if absent.
        progress: Is told how far it is.

    Raises:
        Refusal: There is no such version, it is a folder, or it is damaged.
    """
    from components.common.artifacts import objects, open_store

    version, store = find(address, checksum), open_store()
    if path := objects.local(store.place, version):
        yield path, version
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".incoming-") as folder:
        yield store.get(version.ref, Path(folder) / "bytes", progress=progress), version
