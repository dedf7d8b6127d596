"""The rows of a CSV, block by block, all values as texts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.common.base.errors import Refusal
from components.common.tables.chunk import Chunk, Faulty
from components.common.tables.missing import MISSING

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 20
"""Bytes that are parsed at once, and so the longest record."""
_BOM = b"\xef\xbb\xbf"
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}


class _Ended(io.RawIOBase):
    """A stream whose last line ends, so that a quote which is never closed can be told."""

    def __init__(self, stream: BinaryIO):
        super().__init__()
        self._stream, self._last = stream, b"\n"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        data = self._stream.read(len(buffer))
        if not data and self._last != b"\n":
            data = b"\n"
        buffer[: len(data)] = data
        self._last = data[-1:] or self._last
        return len(data)


def csv_names(stream: io.BufferedReader, where: str, delimiter: str) -> list[str]:
    """Reads the names of the columns, and leaves the stream at the first row.

    A column without a name is called `Unnamed: N`, N counted from 0, as pandas does.

    Raises:
        Refusal: The file is empty, a name stands twice, or another delimiter is meant.
    """
    if stream.peek(3)[:3] == _BOM:
        stream.read(3)
    names: list[str] = []
    try:
        for names in csv.reader(_lines(stream, where), delimiter=delimiter):
            if names:
                break
    except UnicodeDecodeError:
        raise _not_utf8(where) from None
    except csv.Error as error:
        raise Refusal(f"the first line cannot be read ({error})", where=where) from None
    if not names:
        raise Refusal("the file is empty", where=where, rule="the first line names the columns")
    names = [name or f"Unnamed: {at}" for at, name in enumerate(names)]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise Refusal(
            "the name of a column stands more than once",
            where=where,
            value=", ".join(doubled),
            rule="every column has a name of its own",
        )
    if len(names) == 1:
        for other, called in _DELIMITERS.items():
            if other != delimiter and other in names[0]:
                raise Refusal(
                    f"only one column, but its name contains {called}",
                    where=where,
                    value=names[0],
                    mend=f"--delimiter {other!r}",
                )
    return names


def _lines(stream: io.BufferedReader, where: str) -> Iterator[str]:
    """The lines of the head. No more is read than the head has."""
    while line := stream.readline(BLOCK):
        if len(line) == BLOCK:
            raise Refusal("the first line is longer than 1 MB", where=where, rule="the first line names the columns")
        yield line.decode()


def csv_chunks(stream: BinaryIO, names: list[str], where: str, delimiter: str, rows: int) -> Iterator[Chunk]:
    """The rows as texts, missing ones null.

    A line with too many or too few fields is no row: it is handed on as faulty.

    Args:
        stream: At the first row.
        names: Of the columns.
        where: What to call the table in a refusal.
        delimiter: What separates fields.
        rows: Most rows of a chunk.

    Raises:
        Refusal: It is no UTF-8, a quote is never closed, or a record is too long.
    """
    import pyarrow as pa
    import pyarrow.csv as pcsv

    faulty: list[Faulty] = []

    def other_shape(row: pcsv.InvalidRow) -> str:
        rule = f"{row.expected_columns} fields, as the header has; this line has {row.actual_columns}"
        faulty.append(Faulty(row.number, row.text, rule))
        return "skip"

    number, last = 1, None
    try:
        reader = pcsv.open_csv(
            pa.PythonFile(_Ended(stream), mode="r"),
            # Without threads, a faulty row is told with its number.
            read_options=pcsv.ReadOptions(column_names=names, block_size=BLOCK, use_threads=False),
            parse_options=pcsv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=other_shape
            ),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=list(MISSING), strings_can_be_null=True
            ),
        )
        for batch in reader:
            for part in (batch.slice(at, rows) for at in range(0, batch.num_rows, rows)):
                numbers, found, number = _numbered(part.num_rows, faulty, number)
                columns = dict(zip(names, part.columns, strict=True))
                yield Chunk(numbers, columns, texts=True, faulty=found)
                last = part
    except pa.ArrowInvalid as error:
        said = str(error)
        if "Empty CSV file" in said:
            return
        if "UTF8" in said:
            raise _not_utf8(where) from None
        raise Refusal(
            f"not a CSV that can be read after row {number - 1:,} ({said.splitlines()[0]})",
            where=where,
            rule=f"a record has at most {BLOCK >> 20} MB; quotes come in pairs",
        ) from None
    if last is not None and _unclosed(last):
        raise Refusal("a double quote is opened and never closed", where=where, rule="quotes come in pairs")
    if faulty:
        yield Chunk(np.zeros(0, np.int64), {name: pa.array([], pa.string()) for name in names}, True, faulty)


def _numbered(rows: int, faulty: list[Faulty], number: int) -> tuple[np.ndarray, list[Faulty], int]:
    """Which row of the table each row is, and the faulty ones between them, which are taken out of the list.

    The parser is ahead of the rows that it has handed out, so the faulty ones may lie behind them.
    """
    if not faulty or faulty[0].number > number + rows:
        return np.arange(number, number + rows), [], number + rows
    numbers, found = np.zeros(rows, np.int64), []
    for at in range(rows):
        while faulty and faulty[0].number == number:
            found.append(faulty.pop(0))
            number += 1
        numbers[at] = number
        number += 1
    return numbers, found, number


def _unclosed(batch: pa.RecordBatch) -> bool:
    """Whether the last value holds the line end that the stream ends with."""
    return any((column[len(column) - 1].as_py() or "").endswith("\n") for column in batch.columns)


def _not_utf8(where: str) -> Refusal:
    return Refusal(
        "the text is not UTF-8", where=where, mend="turn it into UTF-8, for instance by `iconv -f cp1252 -t utf-8`"
    )
