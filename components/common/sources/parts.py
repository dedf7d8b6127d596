"""Part files: a folder, a pattern of file names or an S3 prefix, which is one table."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

from components.common.base.errors import Refusal
from components.common.storage.address import Address, parse
from components.common.storage.fetch import door, tried

_SHOWN = 5
"""Names that a message lists."""
_WILD = re.compile(r"[*?[]")
_FORMATS = {"_delta_log": "a Delta table", ".hoodie": "a Hudi table"}
"""Folders beside data files of which not all are valid; only a log tells which."""


@dataclass(frozen=True)
class Parts:
    """The files of one folder or prefix whose names match a pattern."""

    address: Address
    """The source as a whole."""
    folder: str
    """An absolute path, or `bucket/prefix`; without a slash at its end."""
    shown: str
    """The same in messages; empty of a pattern without folder."""
    pattern: str = "*"

    def holds(self, name: str) -> bool:
        """Whether a file of this name is a part. Marks of a writer, such as _SUCCESS, are none unless asked for."""
        return fnmatchcase(name, self.pattern) and (name[0] not in "_." or self.pattern[0] == name[0])

    def part(self, name: str) -> Address:
        """Return the address of one part."""
        shown = f"{self.shown}/{name}" if self.shown or self.address.shown.startswith("/") else name
        return Address(self.address.kind, f"{self.folder}/{name}", shown, name)


def parts_of(address: Address) -> Parts | None:
    """Return which part files a source means; None of a source that is one file. A file of that very name comes first.

    Raises:
        Refusal: A pattern stands in the name of a folder.
    """
    target, (folder, _, last) = address.target, address.target.rpartition("/")
    if address.kind not in ("path", "s3"):
        return None
    if os.path.isdir(target) if address.kind == "path" else not last:
        return Parts(address, target.rstrip("/"), address.shown.rstrip("/"))
    if os.path.lexists(target) if address.kind == "path" else "*" not in target:
        return None
    if "*" in folder and not os.path.isdir(folder):
        raise Refusal(
            "a pattern stands in the name of a folder",
            where=address.shown,
            rule="part files lie in one folder; a pattern matches their names, for instance data/2026-*.csv",
        )
    return Parts(address, folder, address.shown.rpartition("/")[0], last) if _WILD.search(last) else None


def listed(parts: Parts) -> dict[str, Any]:
    """Return the part files in their order, each with what changes when its bytes do.

    Raises:
        Refusal: There are none, there are folders, or they may not be listed.
    """
    start = _WILD.split(parts.pattern)[0]

    def entries() -> list[tuple[str, Any]]:
        found = door(parts.address).entries(parts.folder, parts.address, start)
        return [(name, state) for name, state in found if parts.holds(name) or (not start and name in _FORMATS)]

    found = sorted(tried(entries, parts.address))
    if kind := next((_FORMATS[name] for name, state in found if state is None and name in _FORMATS), None):
        raise Refusal(
            f"this is {kind}",
            where=parts.address.shown,
            rule="which of its files are valid stands in its log, which is not read",
            mend="write it as plain parquet files",
        )
    if folders := [name for name, state in found if state is None]:
        raise Refusal(
            "there are folders among the part files",
            where=parts.address.shown,
            value=_some(folders),
            rule="the part files of a table lie in one folder; partitions such as year=2026/ are not read",
            mend="name one of the folders, or write the table without partitions",
        )
    if not found:
        raise _nothing(parts)
    return dict(found)


def paths_of(source: str) -> str | list[str]:
    """Return what `open_table` reads of a path: the path of one file, or those of the part files.

    Raises:
        Refusal: It is a folder or a pattern without part files.
    """
    parts = parts_of(parse(source)) if "://" not in source else None
    return source if parts is None else [parts.part(name).target for name in listed(parts)]


def manifest(digests: Mapping[str, str]) -> bytes:
    """Return names and digests of parts as the bytes whose SHA-256 is the checksum of the whole."""
    return json.dumps(digests, sort_keys=True).encode()


def checksum_of(digests: Mapping[str, str]) -> str:
    """Return the checksum of parts by their names and digests."""
    return hashlib.sha256(manifest(digests)).hexdigest()


def _nothing(parts: Parts) -> Refusal:
    """The refusal of parts of which there are none: what was looked for, and what is there."""
    found = door(parts.address).entries(parts.folder, parts.address, "")
    there = tried(lambda: [name for name, _ in islice(found, _SHOWN + 1)], parts.address)
    return Refusal(
        "no part file is there" if parts.pattern == "*" else "no file matches",
        where=parts.address.shown,
        rule=f"files whose names match {parts.pattern} and do not start with _ or a dot",
        mend=f"the folder holds {_some(sorted(there))}" if there else "the folder is empty",
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
