"""The rows of a sheet of an Excel workbook (xlsx, xls, xlsb) or an OpenDocument one, all values as texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from components.common.base.errors import Refusal, nearest
from components.common.inference.values import NotOfKind, text_of
from components.common.tables.chunk import Chunk
from components.common.tables.columns import accepted_names
from components.common.tables.missing import MISSING

if TYPE_CHECKING:
    import pyarrow as pa


class ExcelRows:
    """A sheet, whose first row names the columns. Of formulas the value that was saved is read.

    Args:
        file: A seekable file.
        where: What to call it in a refusal.
        sheet: Which sheet; it may be left out where there is only one.

    Raises:
        Refusal: It is no workbook, the sheet is not there or not named, or it is empty.
    """

    def __init__(self, file: BinaryIO, where: str, sheet: str | None):
        import python_calamine as calamine

        try:
            workbook = calamine.CalamineWorkbook.from_filelike(file)
            names = workbook.sheet_names
            if sheet is None and len(names) > 1:
                raise Refusal(
                    "the workbook has several sheets",
                    where=where,
                    value=", ".join(names),
                    rule="one sheet is one table",
                    mend=f"set download.sheet (--sheet) to one of them, for instance {names[0]!r}",
                )
            if sheet is not None and sheet not in names:
                rule = "download.sheet (--sheet)"
                raise Refusal(
                    "the workbook has no such sheet", where=where, value=sheet, rule=rule, mend=nearest(sheet, names)
                )
            self._rows = workbook.get_sheet_by_name(sheet or names[0]).iter_rows()
        except calamine.CalamineError as error:
            raise Refusal(
                f"not a workbook that can be read ({error})",
                where=where,
                mend="was it cut short, or protected by a password? save it again, or as CSV",
            ) from None
        header = next((row for row in self._rows if any(value != "" for value in row)), None)
        if header is None:
            raise Refusal("the sheet is empty", where=where, rule="the first row names the columns")
        self.names = accepted_names([_text(value) or "" for value in header], where)

    def empty(self) -> dict[str, pa.Array]:
        """The columns without a row."""
        import pyarrow as pa

        return {name: pa.array([], pa.string()) for name in self.names}

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """The rows as texts, missing ones null, at most so many at a time; empty rows are passed over."""
        number, held = 1, []
        for row in self._rows:
            if any(value != "" for value in row):
                held.append(row)
            if len(held) == rows:
                yield self._chunk(held, number)
                number, held = number + rows, []
        if held:
            yield self._chunk(held, number)

    def _chunk(self, held: list[list[Any]], number: int) -> Chunk:
        import pyarrow as pa

        values = zip(self.names, zip(*held, strict=True), strict=True)
        columns = {name: pa.array([_text(value) for value in column], pa.string()) for name, column in values}
        return Chunk(np.arange(number, number + len(held)), columns, texts=True)


def _text(value: Any) -> str | None:
    """A cell as the CSV of its sheet has it: 3 for 3.0, true, 2024-05-31, 2024-05-31 12:00:00; None where missing."""
    if isinstance(value, str):
        return None if value in MISSING else value
    try:
        return text_of(value)
    except NotOfKind:  # a number beyond all bounds
        return str(value)
