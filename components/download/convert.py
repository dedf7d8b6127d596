"""A table of any format to the parquet of the pipeline, group by group, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.config.download import DownloadArgument
from components.common.config.patterns import kinds_of
from components.common.inference.arrow_values import of_kind, texts_of
from components.common.inference.coerce import ABSENT
from components.common.tables.chunk import Chunk
from components.common.tables.parquet import write_widening
from components.common.tables.reader import Progress, Source, open_table

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES, GROUP_ROWS = 16 << 20, 1000
"""Size in memory of the groups of rows that are converted and written at once, up to four times as much where that is
not so many rows: each column of a group costs as much as hundreds of its values."""
_VALUE_BYTES = 64
"""About what a Python value takes."""


def convert(
    source: Source,
    section: DownloadArgument,
    path: Path,
    *,
    name: str | Sequence[str] | None = None,
    where: str | Sequence[str] | None = None,
    progress: Progress | None = None,
) -> str:
    """Turn a table into parquet.

    Columns of parquet and Arrow keep their types. Of text formats, columns that are declared numerical become int64 or
    float64 where all their values are numbers; all others stay the texts that they are, so that nothing is lost
    before a kind is known. Usually the first rows need the widest types already, and one pass does; where later rows
    need wider ones, or JSON has new fields, a second pass follows.

    Args:
        source: What `open_table` takes.
        section: How it is written, and the kinds of its columns.
        path: The parquet file to write; it appears whole or not at all.
        name: The source's own name; one per part file.
        where: What to call it in a refusal; one per part file.
        progress: Is told how far it is.

    Returns:
        The format that it had.

    Raises:
        Refusal: It is no table, or has no rows.
    """
    form, called = "", ""
    left_out: set[str] = set()

    def parts() -> Iterator[pa.Table]:
        nonlocal form, called
        with open_table(
            source, section, name=name, where=where, strict=True, declared=section.kinds, progress=progress
        ) as table:
            form, called, begun = table.form, table.where, False
            for group in _groups(table.chunks):
                if found := set(table.left_out) - left_out:
                    left_out.update(found)
                    if begun:
                        raise _Again
                begun = True
                yield _columns(group, section, left_out)

    def empty() -> Refusal:
        return Refusal(
            "the table has no column that is read" if left_out else "the table has no rows",
            where=called,
            value=", ".join(sorted(left_out)) or None,
            rule="columns of lists and records are left out" if left_out else "at least one row below the header",
        )

    try:
        write_widening(parts, path, empty)
    except _Again:
        write_widening(parts, path, empty)
    return form


class _Again(Exception):
    """A column that was written turned out to hold lists or records."""


def _groups(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Gather small chunks into groups of about `GROUP_BYTES`, the last one smaller."""
    held: list[Chunk] = []
    size = rows = 0
    for chunk in chunks:
        held.append(chunk)
        size += sum(_size(column) for column in chunk.columns.values())
        rows += chunk.rows
        if size >= GROUP_BYTES and (rows >= GROUP_ROWS or size >= 4 * GROUP_BYTES):
            yield held
            held, size, rows = [], 0, 0
    if held:
        yield held


def _size(column: Any) -> int:
    return len(column) * _VALUE_BYTES if isinstance(column, list) else column.nbytes


def _columns(group: list[Chunk], section: DownloadArgument, left_out: set[str]) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for chunk in group for name in chunk.columns if name not in left_out)
    kinds, ways = kinds_of(section.kinds, names), section.ways(names)
    found: dict[str, Any] = {}
    for name in names:
        parts = [chunk.columns.get(name, [ABSENT] * chunk.rows) for chunk in group]
        typed = isinstance(parts[0], pa.Array) and not group[0].texts  # of parquet or Arrow
        numerical = kinds.get(name) == "numerical" and not typed
        values = pa.chunked_array([texts_of(part) for part in parts]).combine_chunks()
        if numerical and not (column := of_kind(values, "numerical", ways.get(name))).faults:
            values = column.values
        found[name] = values
    return pa.table(found)
