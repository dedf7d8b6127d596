"""The one reader of tables: any format, packed or not, from files, standard input or memory, chunk by chunk."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from components.common.base.errors import Refusal
from components.common.config.reading import Reading
from components.common.tables.chunk import Chunk
from components.common.tables.csv import CsvRows
from components.common.tables.decode import TextBytes
from components.common.tables.formats import STREAM, ending, format_of
from components.common.tables.jsonl import JsonRows
from components.common.tables.parts import open_parts
from components.common.tables.table import Table
from components.common.tables.unpack import BUFFER, seekable, unpacked

Source = str | os.PathLike[str] | BinaryIO | Sequence[str | os.PathLike[str]]
Progress = Callable[[int, int | None], None]
"""Is told the bytes that are read, and all of them if they are known."""


@contextmanager
def open_table(
    source: Source,
    reading: Reading | None = None,
    *,
    rows: int = 10_000,
    name: str | Sequence[str] | None = None,
    where: str | Sequence[str] | None = None,
    strict: bool = False,
    faultless: bool = False,
    declared: Collection[str] = (),
    progress: Progress | None = None,
) -> Iterator[Table]:
    """Open a table.

    Args:
        source: A path, the paths of the part files of one table, `-` for standard input, or an open binary file.
        reading: How it is written; by default its first bytes and its name tell.
        rows: Most rows of a chunk.
        name: The source's own name, whose ending tells the format; one per part. By default its path.
        where: What to call it in a refusal; one per part. By default its path.
        strict: Refuse the first line that is no row, as training must; else such lines are handed on as `Faulty`. A
            CSV whose header shows another delimiter is refused if strict, else read by it; columns of lists or records
            are left out if strict, else handed on as they are.
        faultless: Refuse the first line that is no row, but be no stricter otherwise.
        declared: Columns that may not hold lists or records.
        progress: Is told how far it is, once a chunk.

    Yields:
        The table. The values of CSV and Excel are texts as written, null where missing; of JSON they are Python
        values, `ABSENT` where a record lacks a key; of parquet and Arrow they keep their types.

    Raises:
        Refusal: There is no such file, or it is no table. On reading: it stops being one.
    """
    reading = reading or Reading()
    with ExitStack() as stack:
        if isinstance(source, (list, tuple)):

            def part(path: Any, name: str | None, where: str | None, stack: ExitStack) -> Table:
                return _open(path, reading, rows, name, where, strict, declared, stack)

            table = open_parts(source, name, where, part)
        else:
            one_name, one_where = cast("str | None", name), cast("str | None", where)
            table = _open(source, reading, rows, one_name, one_where, strict, declared, stack)
        if faultless:
            table.chunks = _faultless(table.where, table.chunks)
        if progress is not None:
            table.chunks = _told(table, table.chunks, progress)
        yield table


def _open(
    source: Any,
    reading: Reading,
    rows: int,
    name: str | None,
    where: str | None,
    strict: bool,
    declared: Collection[str],
    stack: ExitStack,
) -> Table:
    """Open a table of one file."""
    path = source if isinstance(source, (str, os.PathLike)) else getattr(source, "name", "")
    name = name or str(path)
    where = where or ("standard input" if name == STREAM else name or "the table")
    raw, size = _opened(source, where, stack)
    bytes_read = partial(_bytes_read, raw, size)
    stream, name = unpacked(raw, name, where, size, stack)
    form: Any = reading.format
    if form == "auto":
        form = format_of(stream.peek(4096)[:4096], name, where)
    left_out: Collection[str] = ()
    if form in ("csv", "json", "jsonl"):
        stream = stack.enter_context(io.BufferedReader(TextBytes(stream, where, reading.encoding), BUFFER))
    if form in ("json", "jsonl"):
        array = None if reading.format == "auto" else form == "json"
        found: Any = JsonRows(stream, where, strict, declared, array)
        chunks, left_out = found.chunks(rows), found.left_out
        first = next(chunks, None)
        names = list(first.columns) if first else []
        empty: dict[str, Any] = {name: [] for name in names}
        return Table(where, "jsonl", names, _after(first, chunks), empty, "", None, left_out, bytes_read)
    if form == "csv":
        usual = "\t" if ending(name) in (".tsv", ".tab") else ","
        found = CsvRows(stream, where, reading.delimiter or usual, strict)
    elif form == "excel":
        from components.common.tables.excel import ExcelRows

        found = ExcelRows(seekable(stream, stack), where, reading.sheet)
    else:
        from components.common.tables.arrow import ArrowRows

        streamed = form == "arrow" and stream.peek(6)[:6] != b"ARROW1"
        found = ArrowRows(stream if streamed else seekable(stream, stack), form, where, strict, declared)
        left_out = found.left_out
    chunks, whole = found.chunks(rows), getattr(found, "whole", None)
    delimiter = getattr(found, "delimiter", "")
    return Table(where, form, found.names, chunks, found.empty(), delimiter, whole, left_out, bytes_read)


def _opened(source: Any, where: str, stack: ExitStack) -> tuple[Any, int | None]:
    """Open a source's bytes, buffered, and tell how many there are if that is known."""
    if str(source) == STREAM:
        return sys.stdin.buffer, None
    if not isinstance(source, (str, os.PathLike)):
        raw = source if hasattr(source, "peek") else io.BufferedReader(source, BUFFER)
        if raw is not source:
            stack.callback(raw.detach)
        return raw, None
    try:
        return stack.enter_context(open(source, "rb", buffering=BUFFER)), Path(source).stat().st_size
    except FileNotFoundError:
        raise Refusal("the table does not exist", where=where) from None
    except IsADirectoryError:
        raise Refusal("this is a folder", where=where, rule="a table is a file, or a list of part files") from None
    except PermissionError:
        raise Refusal("the table cannot be read (permission denied)", where=where) from None


def _bytes_read(raw: Any, size: int | None) -> tuple[int, int | None]:
    try:
        return raw.tell(), size
    except (OSError, ValueError):  # a pipe, or closed
        return 0, size


def _after(first: Chunk | None, others: Iterator[Chunk]) -> Iterator[Chunk]:
    if first is not None:
        yield first
    yield from others


def _faultless(where: str, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        for fault in chunk.faulty:
            raise Refusal(f"row {fault.number} is no row of a table", where=where, value=fault.value, rule=fault.rule)
        yield chunk


def _told(table: Table, chunks: Iterator[Chunk], progress: Progress) -> Iterator[Chunk]:
    for chunk in chunks:
        progress(*table.bytes_read())
        yield chunk
