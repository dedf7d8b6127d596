"""A table that is being read, whatever it comes from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from components.common.tables.chunk import Chunk
from components.common.tables.formats import Format


@dataclass
class Table:
    """A table that is being read."""

    where: str
    """What to call it."""
    form: Format
    names: list[str]
    """The columns; of JSON those of the first rows."""
    chunks: Iterator[Chunk]
    """The rows, in their order."""
    empty: dict[str, Any]
    """The columns without a row."""
    delimiter: str = ""
    """What separates the fields of a CSV."""
    whole: int | None = None
    """Rows, if the file says how many."""
    left_out: Collection[str] = ()
    """Columns of lists or records that are not handed on; of JSON as far as it is read."""
    bytes_read: Callable[[], tuple[int, int | None]] = field(default=lambda: (0, None), repr=False)
    """Bytes that are read, and all of them if they are known."""

    def share(self, rows: int) -> float | None:
        """Return which share of the table has been read, as well as it is known."""
        if self.whole:
            return rows / self.whole
        done, size = self.bytes_read()
        return done / size if size else None
