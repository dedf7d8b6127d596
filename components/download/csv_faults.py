"""Where a CSV stops being a table: the slow, exact second look at a file that could not be read."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

from components.common.base.errors import Refusal
from components.download.text_stream import TextStream


def first_fault(
    open_text: Callable[[], TextStream], columns: int, where: str, delimiter: str, longest: int
) -> Refusal | None:
    """Finds the first record that has too many or too few fields, is never closed, or is too long.

    Args:
        open_text: Opens the file from its start.
        columns: Fields that every record must have.
        where: What to call the file.
        delimiter: What separates fields.
        longest: Bytes that a record may have.

    Returns:
        The refusal, with the line on which the record starts; nothing where no fault is found.
    """
    before = csv.field_size_limit(1 << 30)
    start = 1
    try:
        with open_text() as text, io.TextIOWrapper(io.BufferedReader(text), encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            try:
                for record in reader:
                    if record and len(record) != columns:
                        return Refusal(
                            f"line {start} has {len(record)} fields, but the header has {columns}",
                            where=where,
                            value=delimiter.join(record),
                            rule="every row has as many fields as the header",
                            mend="mend the line; a field that holds the delimiter or a line end stands in double "
                            "quotes",
                        )
                    if sum(map(len, record)) > longest:
                        return Refusal(
                            f"the record at line {start} is too long",
                            where=where,
                            value=delimiter.join(record)[:100],
                            rule=f"a record has at most {longest >> 20} MB",
                            mend="look for a quote that is not closed",
                        )
                    start = reader.line_num + 1
            except csv.Error as error:
                unclosed = "end of data" in str(error)
                return Refusal(
                    f"a double quote is opened at line {start} and never closed"
                    if unclosed
                    else f"line {start} cannot be read ({error})",
                    where=where,
                    rule="quotes come in pairs",
                    mend="mend the line; was the file cut short?",
                )
    finally:
        csv.field_size_limit(before)
    return None
