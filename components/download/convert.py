"""A table of any format to the parquet of the pipeline, group by group, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.base.files import written_whole
from components.common.config import DownloadArgument
from components.common.inference.coerce import ABSENT
from components.common.tables.chunk import Chunk
from components.common.tables.reader import Progress, Source, Table, open_table
from components.download.numbers import Type, number_column, text_column

if TYPE_CHECKING:
    pass

GROUP_BYTES = 16 << 20
"""Size in memory of the groups of rows that are converted and written at once."""
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
    types: dict[str, Type | None] = {}
    left_out: set[str] = set()

    def once() -> str:
        with (
            written_whole(path) as beside,
            open_table(
                source, section, name=name, where=where, strict=True, declared=section.kinds, progress=progress
            ) as table,
        ):
            _write(table, section, beside, types, left_out)
            return table.form

    try:
        return once()
    except _Again:
        return once()


class _Again(Exception):
    """Rows were written before a later row needed a wider type."""


def _write(
    table: Table, section: DownloadArgument, path: Path, types: dict[str, Type | None], left_out: set[str]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema, rows, again = None, 0, False
    with ExitStack() as stack:
        for group in _groups(table.chunks):
            left_out |= set(table.left_out)
            found = pa.table(_columns(group, section, types, left_out))
            if schema is None:
                schema = found.schema
                writer = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
            again = again or found.schema != schema
            if not again:
                writer.write_table(found)
            rows += found.num_rows
    if not rows:
        raise Refusal(
            "the table has no column that is read" if left_out else "the table has no rows",
            where=table.where,
            value=", ".join(sorted(left_out)) or None,
            rule="columns of lists and records are left out" if left_out else "at least one row below the header",
        )
    if again:
        raise _Again


def _groups(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """Gather small chunks into groups of about `GROUP_BYTES`, the last one smaller."""
    held: list[Chunk] = []
    size = 0
    for chunk in chunks:
        held.append(chunk)
        size += sum(_size(column) for column in chunk.columns.values())
        if size >= GROUP_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _size(column: Any) -> int:
    return len(column) * _VALUE_BYTES if isinstance(column, list) else column.nbytes


def _columns(
    group: list[Chunk], section: DownloadArgument, types: dict[str, Type | None], left_out: set[str]
) -> dict[str, Any]:
    """The columns of a group; `types` learns what its values need."""
    import pyarrow as pa

    found: dict[str, Any] = {}
    for name in dict.fromkeys([*types, *(name for chunk in group for name in chunk.columns)]):
        if name in left_out:
            continue
        parts = [chunk.columns.get(name) for chunk in group]
        if any(isinstance(part, pa.Array) for part in parts):
            values: Any = pa.chunked_array(parts)
        else:
            absent = ([ABSENT] * chunk.rows if part is None else part for part, chunk in zip(parts, group, strict=True))
            values = list(chain.from_iterable(absent))
        if not isinstance(values, list) and not group[0].texts:
            found[name] = values  # of parquet or Arrow
        elif section.kinds.get(name) == "numerical":
            types[name], found[name] = number_column(values, types.get(name), section.way(name))
        else:
            types[name], found[name] = "text", text_column(values)
    return found
