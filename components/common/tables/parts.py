"""The part files of one table, read one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.tables.chunk import Chunk
from components.common.tables.table import Table

if TYPE_CHECKING:
    import pyarrow as pa


def open_parts(
    paths: Sequence[Any],
    names: Sequence[str] | str | None,
    wheres: Sequence[str] | str | None,
    open_part: Callable[[Any, str | None, str | None, ExitStack], Table],
) -> Table:
    """Open part files as one table. All have the same columns, in any order; those of JSON may differ.

    Args:
        paths: The files.
        names: What their sources call them, one per file.
        wheres: What to call them in a refusal, one per file.
        open_part: Opens one of them, given its path, name, where and what closes it.

    Raises:
        Refusal: There are none, a file is no table, or two differ in their format or columns. On reading: a file
            stops being a table.
    """
    nothing = [None] * len(paths)
    parts = list(
        zip(
            paths,
            nothing if names is None or isinstance(names, str) else names,
            nothing if wheres is None or isinstance(wheres, str) else wheres,
            strict=True,
        )
    )
    table, size, left_out = None, 0, set()
    for part in parts:
        with ExitStack() as stack:
            other = open_part(*part, stack)
            size += other.bytes_read()[1] or 0
            table = other if table is None else _joined(table, other)
            left_out |= set(other.left_out)
    if table is None:
        raise Refusal("there are no part files", rule="a table is one file or several")
    done = [0, 0]

    def chunks() -> Iterator[Chunk]:
        number = 0
        for part in parts:
            with ExitStack() as stack:
                one = open_part(*part, stack)
                last = number
                for chunk in one.chunks:
                    faulty = [replace(fault, number=fault.number + number) for fault in chunk.faulty]
                    numbers = chunk.numbers + number
                    last = max([last, *numbers[-1:].tolist(), *(fault.number for fault in faulty[-1:])])
                    done[1] = one.bytes_read()[0]
                    columns = _columns(chunk, table, one.where)
                    left_out.update(one.left_out)
                    yield replace(chunk, numbers=numbers, columns=columns, faulty=faulty)
                number, done[0], done[1] = last, done[0] + (one.bytes_read()[1] or 0), 0

    return replace(table, chunks=chunks(), left_out=left_out, bytes_read=lambda: (sum(done), size or None))


def _joined(table: Table, other: Table) -> Table:
    """The first files, and one more.

    Raises:
        Refusal: It differs from them in its format or columns.
    """
    import pyarrow as pa

    both = f"{table.where} and {other.where}"
    if table.form != other.form:
        raise Refusal("the parts have different formats", where=both, value=f"{table.form} and {other.form}")
    whole = table.whole + other.whole if table.whole is not None and other.whole is not None else None
    if table.form == "jsonl":
        empty = {**table.empty, **other.empty}
        return replace(table, names=list(empty), empty=empty, whole=whole)
    if differ := sorted(set(table.names) ^ set(other.names)):
        there = table if differ[0] in table.names else other
        raise Refusal(
            f"the parts have different columns: {differ[0]!r} is in {there.where} alone",
            where=both,
            value=", ".join(differ[:10]),
            rule="part files have the same columns, in any order",
            mend="read them as tables of their own, or write them alike",
        )
    try:
        schemas = [pa.schema([(name, one.empty[name].type) for name in table.names]) for one in (table, other)]
        schema = pa.unify_schemas(schemas, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        name = next((name for name in table.names if f" {name} " in str(error)), table.names[0])
        raise Refusal(
            f"the parts have different types: {error}",
            where=f"{both}, column {name}",
            value=f"{table.empty[name].type} and {other.empty[name].type}",
            rule="the values of a column are of one type in all part files",
        ) from None
    return replace(table, empty={field.name: pa.array([], field.type) for field in schema}, whole=whole)


def _columns(chunk: Chunk, table: Table, where: str) -> dict[str, Any]:
    """The columns of a chunk, in the order and of the types of the table."""
    if table.form == "jsonl":
        return dict(chunk.columns)
    return {name: _cast(chunk.columns[name], table.empty[name].type, f"{where}, column {name}") for name in table.names}


def _cast(column: pa.Array, to: pa.DataType, where: str) -> pa.Array:
    import pyarrow as pa

    try:
        return column if column.type == to else column.cast(to)
    except pa.ArrowInvalid as error:
        raise Refusal(f"the parts have different types: {error}", where=where, value=str(column.type)) from None
