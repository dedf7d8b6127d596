"""What differs between two versions: metadata, and what is inside."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.common.artifacts import Store, Version, objects
from tabpipe.artifacts.file_diff import difference_of_files, difference_of_text


def difference(store: Store, first: str, second: str) -> dict[str, Any]:
    """Compares two versions.

    Returns:
        `a` and `b` (the refs), `same` (whether their bytes are), `metadata` (key to both values, where they differ),
        and, as far as it applies, `table`, `files`, `text`.

    Raises:
        Refusal: There is no such version, or one is damaged in the store.
    """
    a, b = store.resolve(first), store.resolve(second)
    found: dict[str, Any] = {
        "a": a.ref,
        "b": b.ref,
        "same": a.digest == b.digest,
        "metadata": _metadata(a, b),
    }
    if found["same"]:
        return found
    if a.kind != b.kind:
        found["kind"] = [a.kind, b.kind]
    elif a.kind == "folder":
        found["files"] = difference_of_files(store, a, b)
    else:
        with _file(store, a) as left, _file(store, b) as right:
            if _is_parquet(left) and _is_parquet(right):
                from tabpipe.artifacts.table_diff import difference_of_tables

                found["table"] = difference_of_tables(left, right)
            else:
                found["text"] = difference_of_text(left, right, a.ref, b.ref)
    return found


def _metadata(a: Version, b: Version) -> dict[str, list[Any]]:
    """Key to both values where they differ; of a version itself: size, files, run, commit."""

    def facts(one: Version) -> dict[str, Any]:
        own = {"bytes": one.bytes, "files": one.files, "digest": one.digest}
        return {**one.metadata, **{f"made by {key}": value for key, value in one.made_by.items()}, **own}

    left, right = facts(a), facts(b)
    return {
        key: [left.get(key), right.get(key)]
        for key in dict.fromkeys([*left, *right])
        if left.get(key) != right.get(key)
    }


@contextmanager
def _file(store: Store, version: Version) -> Iterator[Path]:
    """A file with a version's bytes, verified, to be read only."""
    if path := objects.local(store.place, version):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        yield store.get(version.ref, Path(folder) / "bytes")


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"
