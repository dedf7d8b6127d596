"""The table that a config is drafted for, read from its start as often as is needed, as training will read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.config.reading import Reading
from components.common.inference.arrow_values import texts_of
from components.common.inference.coerce import ABSENT
from components.common.sources import paths_of
from components.common.tables.reader import Progress, open_table

if TYPE_CHECKING:
    import pyarrow as pa


_ROWS = 50_000
"""Rows that are looked at together."""
_OTHER_ENCODINGS = ("cp1252", "latin-1")
"""Tried in turn where a text is not UTF-8; the last one fits any bytes."""


class Source:
    """A table on this machine.

    Args:
        table: A file, a folder of part files, or a pattern of them.
        reading: How it is written, as far as the user says.

    Raises:
        Refusal: There is no such table, or its first lines are none.
    """

    def __init__(self, table: str, reading: Reading):
        if not Path(table).exists() and not set("*?[") & set(Path(table).name):
            raise Refusal("the file does not exist", where=table, rule="init reads tables on this machine")
        self.table, self.paths = table, paths_of(table)
        self.options: dict[str, Any] = reading.model_dump(exclude_defaults=True)
        """What download must be told to read it."""
        self.form = ""
        self.left_out: list[str] = []
        """Columns of lists or records."""
        self.types: dict[str, set[str]] = {}
        """Column of JSON to the types that its values have: a number, a text, true/false."""
        self.readable(self._first_lines)

    @property
    def texts(self) -> bool:
        """Whether its values are texts as somebody wrote them."""
        return self.form in ("csv", "excel")

    def readable(self, read: Callable[[], Any]) -> Any:
        """Call a function that reads the table; once more with another encoding where the text is not UTF-8."""
        for encoding in (*_OTHER_ENCODINGS, None):
            try:
                return read()
            except Refusal as refusal:
                if encoding is None or not refusal.problem.startswith("the text is not "):
                    raise
                self.options["encoding"] = encoding
        return None

    def _first_lines(self) -> None:
        with open_table(self.paths, Reading.model_validate(self.options), rows=1000) as opened:
            next(opened.chunks, None)
            self.form = opened.form
        usual = "\t" if self.table.lower().split(".gz")[0].endswith((".tsv", ".tab")) else ","
        if opened.delimiter not in ("", usual):
            self.options["delimiter"] = opened.delimiter

    def batches(self, progress: Progress | None = None) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """Read the table from its start.

        Yields:
            (rows,) the numbers of some rows, from 0, and these rows. The values of CSV, Excel and JSON are texts.

        Raises:
            Refusal: A line is no row, as training refuses it.
        """
        import pyarrow as pa

        reading = Reading.model_validate(self.options)
        with open_table(self.paths, reading, rows=_ROWS, strict=True, progress=progress) as opened:
            for chunk in opened.chunks:
                columns = {name: self._column(name, values) for name, values in chunk.columns.items()}
                self.left_out = sorted(opened.left_out)
                yield chunk.numbers - 1, pa.table({k: v for k, v in columns.items() if k not in opened.left_out})

    def _column(self, name: str, values: Any) -> pa.Array:
        if isinstance(values, list):
            kinds = {type(value) for value in values if value is not None and value is not ABSENT}
            words = {bool: "true/false", str: "texts"}
            self.types.setdefault(name, set()).update(words.get(kind, "numbers") for kind in kinds)
        return texts_of(values)
