"""CSV to parquet, block by block."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.common.tables.missing import MISSING
from components.download.csv_faults import first_fault
from components.download.csv_types import Type, typed
from components.download.parquet_out import check_names, grouped, parquet_out
from components.download.text_stream import TextStream

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK = 1 << 20
"""Bytes that are parsed at once, and so the longest record."""
_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar", ":": "a colon"}


def convert_csv(open_text: Callable[[], TextStream], where: str, delimiter: str, table_path: Path) -> None:
    r"""Turns a CSV into parquet in bounded memory.

    The types of the columns are taken from all rows. Usually the first rows need the widest types already, and one
    pass does; where later rows need wider ones, a second pass follows.

    Args:
        open_text: Opens the file from its start.
        where: What to call it in a refusal.
        delimiter: What separates fields; `\t` may be written out.
        table_path: The parquet file.

    Raises:
        Refusal: The file is no table, with the line where it stops being one.
    """
    delimiter = _accepted(delimiter, where)
    types: dict[str, Type | None] = {}
    try:
        _pass(open_text, where, delimiter, table_path, types)
    except _Widened:
        _pass(open_text, where, delimiter, table_path, types)


class _Widened(Exception):
    """Rows were written before a later row needed a wider type."""


def _pass(
    open_text: Callable[[], TextStream], where: str, delimiter: str, table_path: Path, types: dict[str, Type | None]
) -> None:
    import pyarrow as pa

    widened = False
    with open_text() as text, parquet_out(table_path, where) as out:
        names = read_header(text, where, delimiter)
        for group in grouped(_blocks(text, names, where, delimiter, open_text)):
            columns = {}
            for name in names:
                types[name], columns[name] = typed(group[name], types.get(name))
            table = pa.table(columns)
            widened = widened or (out.schema is not None and out.schema != table.schema)
            if not widened:
                out.write(table)
        if widened:
            raise _Widened


def read_header(text: TextStream, where: str, delimiter: str) -> list[str]:
    """Reads the names of the columns and leaves the stream at the first row.

    A column without a name is called `Unnamed: N`, N counted from 0, as pandas does.

    Raises:
        Refusal: The file is empty, a name stands twice, or another delimiter is meant.
    """
    head = str(text.peek(), "utf-8", "ignore")
    lines = io.StringIO(head, newline="")
    reader = csv.reader(lines, delimiter=delimiter)
    names = next((record for record in reader if record), None)
    if names is None:
        raise Refusal(
            "the file holds nothing but empty lines" if head else "the file is empty",
            where=where,
            rule="the first line names the columns",
        )
    start = lines.tell()
    if start == len(head) and len(head) > len("\n".join(names)) + 100_000:
        raise Refusal("the first line is longer than 1 MB", where=where, rule="the first line names the columns")
    if len(names) == 1:
        _check_delimiter(head, names[0], where, delimiter)
    text.skip(len(head[:start].encode()))
    names = [name or f"Unnamed: {number}" for number, name in enumerate(names)]
    check_names(names, where)
    return names


def _check_delimiter(head: str, only: str, where: str, delimiter: str) -> None:
    """Refuses a table of one column whose first lines fall apart evenly at another delimiter."""
    for other, called in _DELIMITERS.items():
        if other == delimiter or other not in only:
            continue
        records = [record for record in csv.reader(io.StringIO(head, newline=""), delimiter=other) if record][:2]
        if all(len(record) == len(records[0]) > 1 for record in records):
            raise Refusal(
                f"only one column, but its name contains {called}",
                where=where,
                value=only,
                rule=f"download.delimiter is {_DELIMITERS.get(delimiter, repr(delimiter))}",
                mend=f"set download.delimiter={other!r}",
            )


def _blocks(
    text: TextStream, names: list[str], where: str, delimiter: str, open_text: Callable[[], TextStream]
) -> Iterator[pa.RecordBatch]:
    """The rows as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pcsv

    last = None
    try:
        if not text.peek():
            return
        reader = pcsv.open_csv(
            pa.PythonFile(text, mode="r"),
            read_options=pcsv.ReadOptions(column_names=names, block_size=BLOCK),
            parse_options=pcsv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=pcsv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                null_values=list(MISSING),
                strings_can_be_null=True,
                check_utf8=False,
            ),
        )
        for batch in reader:
            last = batch if batch.num_rows else last
            yield batch
    except pa.ArrowInvalid as error:
        raise first_fault(open_text, len(names), where, delimiter, BLOCK) or Refusal(
            f"not a CSV that can be read ({error})", where=where
        ) from None
    if last is not None:
        # The stream always ends with a line end. Within a value, it got there because a quote was never closed.
        ends = [pc.ends_with(column.slice(len(last) - 1), "\n")[0].as_py() for column in last.columns]
        if any(ends) and (fault := first_fault(open_text, len(names), where, delimiter, BLOCK)):
            raise fault


def _accepted(delimiter: str, where: str) -> str:
    delimiter = "\t" if delimiter == "\\t" else delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n' or not delimiter.isascii():
        raise Refusal(
            "not a delimiter",
            where=where,
            value=delimiter,
            rule="download.delimiter is one ASCII character",
            mend="for instance ',' or ';' or '\\t' or '|'",
        )
    return delimiter
