"""The rows of a CSV, block by block, all values as texts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from components.common.base.errors import Refusal
from components.common.tables.chunk import Chunk, Faulty
from components.common.tables.columns import accepted_names
from components.common.tables.csv_blocks import BLOCK, SHOWN, Blocks
from components.common.tables.missing import MISSING

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS, _BLOCKS = 500, 16
"""A block is larger by one for so many columns each, at most so many times: each column of a block costs as much as
hundreds of its values."""
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", ":": "a colon"}


class CsvRows:
    """A CSV.

    Args:
        stream: Its bytes in UTF-8; they end with a line end.
        where: What to call it in a refusal.
        delimiter: What separates fields, as it is declared or by default.
        strict: Whether the first line that is no row is refused, and so is a header that shows another delimiter.

    Raises:
        Refusal: The file is empty, or its first line names no columns.
    """

    def __init__(self, stream: BinaryIO, where: str, delimiter: str, strict: bool):
        self._stream, self._where, self._strict = stream, where, strict
        head = stream.read(BLOCK)
        text = str(head, "utf-8", "ignore")
        names, end = _first_record(text, _accepted(delimiter, where))
        if names and len(names) == 1 and (other := _shown_delimiter(text, names[0], delimiter)):
            if strict:
                raise Refusal(
                    f"only one column, but its name contains {_DELIMITERS[other]}",
                    where=where,
                    value=names[0],
                    rule=f"download.delimiter is {_DELIMITERS.get(delimiter, repr(delimiter))}",
                    mend=f"set download.delimiter={other!r}",
                )
            delimiter = other
            names, end = _first_record(text, delimiter)
        if names is None:
            raise Refusal(
                "the file holds nothing but empty lines" if head else "the file is empty",
                where=where,
                rule="the first line names the columns",
            )
        if end == len(text) and len(head) == BLOCK:
            raise Refusal("the first line is longer than 1 MB", where=where, rule="the first line names the columns")
        if "\0" in text[:end]:
            raise Refusal(
                "the first line holds null characters",
                where=where,
                value=text[:end],
                rule="a CSV is text",
                mend="set download.encoding (--encoding) to what it was written in, for instance utf-16-le",
            )
        self.delimiter = delimiter
        header = text[:end].encode()
        size = BLOCK * min(1 + len(names) // _COLUMNS, _BLOCKS)
        self._blocks = Blocks(stream, header, head[len(header) :], where, delimiter, strict, size)
        _refuse_comment(text, end, names, delimiter, where)
        self.names = accepted_names(names, where)

    def empty(self) -> dict[str, pa.Array]:
        """The columns without a row."""
        import pyarrow as pa

        return {name: pa.array([], pa.string()) for name in self.names}

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """The rows as texts, missing ones null, at most so many at a time.

        A record with too many or too few fields, and one that is longer than a block, is no row: it is handed on as
        faulty, shortened.

        Raises:
            Refusal: A quote is never closed. If strict: there is a record that is no row.
        """
        number = 1
        for data, line, long in self._blocks:
            if long:
                rule = f"a record has at most {BLOCK >> 20} MB"
                fault = Faulty(number, str(data[:SHOWN], "utf-8", "ignore"), rule)
                yield Chunk(np.zeros(0, np.int64), self.empty(), texts=True, faulty=[fault])
                number += 1
                continue
            table, faulty = self._parsed(data, line, number)
            total = table.num_rows + len(faulty)
            numbers = np.arange(number, number + total)
            if faulty:
                numbers = np.delete(numbers, [one.number - number for one in faulty])
            yield from _portions(table, numbers, faulty, rows)
            number += total

    def _parsed(self, data: bytes, line: int, number: int) -> tuple[pa.Table, list[Faulty]]:
        import pyarrow as pa
        import pyarrow.csv as pcsv

        faulty: list[Faulty] = []
        rules: dict[int, str] = {}

        def other_shape(row: pcsv.InvalidRow) -> str:
            if self._strict:
                return "error"
            said = f"{row.expected_columns} fields, as the header has; this line has {row.actual_columns}"
            rule = rules.setdefault(row.actual_columns, said)
            faulty.append(Faulty(number + row.number - 1, row.text[:SHOWN], rule))
            return "skip"

        try:
            table = pcsv.read_csv(
                pa.BufferReader(data),
                # Without threads, a faulty row is told with its number.
                read_options=pcsv.ReadOptions(column_names=self.names, block_size=len(data) + 1, use_threads=False),
                parse_options=pcsv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True, invalid_row_handler=other_shape
                ),
                convert_options=pcsv.ConvertOptions(
                    column_types=dict.fromkeys(self.names, pa.string()),
                    null_values=list(MISSING),
                    strings_can_be_null=True,
                    check_utf8=False,
                ),
            )
        except pa.ArrowInvalid as error:
            said = f"not a CSV that can be read ({error})"
            raise self._fault(data, line) or Refusal(said, where=self._where) from None
        return table, faulty

    def _fault(self, data: bytes, first: int) -> Refusal | None:
        """Find the record that has too many or too few fields: the slow, exact second look at a block."""
        for record, line, _ in _records(data.decode(), self.delimiter):
            if record and len(record) != len(self.names):
                return Refusal(
                    f"line {first + line} has {len(record)} fields, but the header has {len(self.names)}",
                    where=self._where,
                    value=self.delimiter.join(record),
                    rule="every row has as many fields as the header",
                    mend="mend the line; a field that holds the delimiter or a line end stands in double quotes",
                )
        return None


def _portions(table: pa.Table, numbers: np.ndarray, faulty: list[Faulty], rows: int) -> Iterator[Chunk]:
    """At most so many rows at a time, each portion with the faulty lines before its last row."""
    start = at = 0
    for part in table.to_batches(max_chunksize=rows):
        own = numbers[start : start + part.num_rows]
        start, before = start + part.num_rows, at
        while at < len(faulty) and faulty[at].number < own[-1]:
            at += 1
        columns = dict(zip(table.column_names, part.columns, strict=True))
        yield Chunk(own, columns, texts=True, faulty=faulty[before:at])
    for first in range(at, len(faulty), rows):
        empty = {name: table[name].slice(0, 0).combine_chunks() for name in table.column_names}
        yield Chunk(np.zeros(0, np.int64), empty, texts=True, faulty=faulty[first : first + rows])


def _records(text: str, delimiter: str) -> Iterator[tuple[list[str], int, int]]:
    """The records of a text, the line that each starts on, counted from 0, and where it ends in the text."""
    csv.field_size_limit(max(csv.field_size_limit(), 4 * BLOCK))
    lines = io.StringIO(text, newline="")
    reader, line = csv.reader(lines, delimiter=delimiter), 0
    for record in reader:
        yield record, line, lines.tell()
        line = reader.line_num


def _first_record(text: str, delimiter: str) -> tuple[list[str] | None, int]:
    """The first record that is no empty line, and where it ends in the text."""
    return next(((record, end) for record, _, end in _records(text, delimiter) if record), (None, 0))


def _shown_delimiter(text: str, only: str, delimiter: str) -> str | None:
    """Which delimiter the first lines of a table of one column fall apart at evenly, if there is one."""
    for other in _DELIMITERS:
        if other != delimiter and other in only:
            found = (record for record, *_ in _records(text, other) if record)
            first, second = next(found), next(found, None)
            if len(first) > 1 and (second is None or len(second) == len(first)):
                return other
    return None


def _refuse_comment(text: str, end: int, names: list[str], delimiter: str, where: str) -> None:
    """Refuse a file that starts with remarks. A header may start with # too, if the row below is like it."""
    if not names[0].startswith("#"):
        return
    row, _ = _first_record(text[end:], delimiter)
    if len(names) == 1 or (row and len(row) != len(names)):
        lines = text[:100_000].splitlines()
        count = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
        raise Refusal(
            f"the first line starts with # ({count} line{'s' * (count != 1)} of the file's head do)",
            where=where,
            value=lines[0],
            rule="the first line names the columns; remarks are not read",
            mend="take the lines that start with # out, for instance by `grep -v '^#'`",
        )


def _accepted(delimiter: str, where: str) -> str:
    if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
        raise Refusal(
            "not a delimiter",
            where=where,
            value=delimiter,
            rule="download.delimiter (--delimiter) is one ASCII character",
            mend="for instance ',' or ';' or '\\t' or '|'",
        )
    return delimiter
