"""Opening a table for prediction, whatever its format, from a file or from standard input."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from components.common.base.errors import Refusal
from components.common.tables.arrow import ArrowRows
from components.common.tables.chunk import Chunk
from components.common.tables.csv import csv_chunks, csv_names
from components.common.tables.jsonl import jsonl_chunks

Format = Literal["csv", "jsonl", "parquet", "arrow"]
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
STREAM = "-"
"""Standard input, or output."""
_BUFFER = 1 << 20
_TABS = (".tsv", ".tab")


@dataclass
class Table:
    """A table that is being read."""

    where: str
    """What to call it."""
    form: Format
    names: list[str]
    """The columns; of JSON lines those of the first rows."""
    chunks: Iterator[Chunk]
    """The rows, in their order."""
    empty: dict[str, Any]
    """The columns without a row."""
    whole: int | None
    """Rows, if the file says how many."""
    raw: BinaryIO
    """What the bytes come from."""
    size: int | None
    """Bytes, if that is known."""

    def share(self, rows: int) -> float | None:
        """Which share of the table has been read, as well as it is known."""
        if self.whole:
            return rows / self.whole
        try:
            return self.raw.tell() / self.size if self.size else None
        except (OSError, ValueError):
            return None


@contextmanager
def open_table(
    path: str | os.PathLike[str], rows: int = 10_000, *, form: Format | None = None, delimiter: str | None = None
) -> Iterator[Table]:
    """Opens a table.

    Args:
        path: CSV, JSON lines (both also gzipped), parquet or Arrow; `-` is standard input.
        rows: Most rows of a chunk.
        form: Its format; by default what the name's ending says, else what the first bytes say.
        delimiter: Of a CSV; by default a comma, and a tab where the name ends so.

    Raises:
        Refusal: There is no such file, or it is no table. On reading: it stops being one.
    """
    with ExitStack() as stack:
        where = "standard input" if str(path) == STREAM else str(path)
        raw = sys.stdin.buffer if str(path) == STREAM else _opened(Path(path), stack)
        stream: Any = raw
        if raw.peek(2)[:2] == b"\x1f\x8b":
            stream = stack.enter_context(io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER))
        with _whole_gzip(where):
            form = form or _format(str(path), stream.peek(16))
        size = None if str(path) == STREAM else Path(path).stat().st_size
        with _whole_gzip(where):
            yield _table(stream, raw, form, where, rows, delimiter or _delimiter(str(path)), size, stack)


def _table(
    stream: Any, raw: Any, form: Format, where: str, rows: int, delimiter: str, size: int | None, stack: ExitStack
) -> Table:
    import pyarrow as pa

    if form == "csv":
        delimiter = "\t" if delimiter == "\\t" else delimiter
        if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
            raise Refusal("not a delimiter", where="--delimiter", value=delimiter, rule="one ASCII character")
        names = csv_names(stream, where, delimiter)
        chunks = csv_chunks(stream, names, where, delimiter, rows)
        empty = {name: pa.array([], pa.string()) for name in names}
        return Table(where, form, names, chunks, empty, None, raw, size)
    if form == "jsonl":
        chunks = jsonl_chunks(stream, where, rows)
        first = next(chunks, None)
        names = list(first.columns) if first else []
        empty = {name: [] for name in names}
        return Table(where, form, names, _after(first, chunks), empty, None, raw, size)
    if form == "parquet" and not (stream is raw and raw.seekable()):
        held = tempfile.TemporaryFile()  # noqa: SIM115  # the stack closes it
        stack.callback(held.close)
        shutil.copyfileobj(stream, held, _BUFFER)
        held.seek(0)
        stream = held
    table = ArrowRows(stream, form, where)
    return Table(where, form, table.names, table.chunks(rows), table.empty(), table.whole, raw, size)


def _after(first: Chunk | None, others: Iterator[Chunk]) -> Iterator[Chunk]:
    if first is not None:
        yield first
    yield from others


def _opened(path: Path, stack: ExitStack) -> Any:
    try:
        return stack.enter_context(open(path, "rb", buffering=_BUFFER))
    except FileNotFoundError:
        raise Refusal("the table does not exist", where=str(path)) from None
    except IsADirectoryError:
        raise Refusal("this is a folder", where=str(path), rule="a table is one file") from None
    except PermissionError:
        raise Refusal("the table cannot be read (permission denied)", where=str(path)) from None


def _format(name: str, head: bytes) -> Format:
    """By the first bytes where they are telling, then by the name; a CSV where nothing is known."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"ARROW1", b"\xff\xff\xff\xff")):
        return "arrow"
    named = ENDINGS.get(Path(name.lower().removesuffix(".gz")).suffix)
    if named in ("parquet", "arrow"):
        raise Refusal(
            f"its name says {named}, but its first bytes do not",
            where=name,
            value=repr(head[:16])[1:],
            mend="was it cut short? fetch or write it again",
        )
    return named or ("jsonl" if head.lstrip().startswith(b"{") else "csv")


def _delimiter(name: str) -> str:
    return "\t" if Path(name.lower().removesuffix(".gz")).suffix in _TABS else ","


@contextmanager
def _whole_gzip(where: str) -> Iterator[None]:
    """Words what can be wrong with a gzip file."""
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        cut = isinstance(error, EOFError)
        said = "the gzip file is cut short" if cut else f"the gzip file is damaged ({error})"
        raise Refusal(said, where=where, mend="fetch or make the file again") from None
