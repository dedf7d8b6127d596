"""The rows that a model does not take, with what is wrong with each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from components.common.base.errors import shorten
from components.common.inference.coerce import ABSENT
from components.common.tables.chunk import Chunk, kept
from components.common.tables.writer import Writer

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.batch.counts import Tally
    from components.common.inference import Fault

_WHY = ("row", "column", "value", "rule")
_LONGEST = 1000
"""Characters of a value that are repeated beside its row."""


class Rejects:
    """The file of refused rows; there is none where no row is refused.

    Args:
        path: The file; None if refused rows are only counted.
        form: Its format; by its ending by default.
        names: Columns of the table, which it has too.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        form: Literal["csv", "jsonl", "parquet"] | None,
        names: Sequence[str],
    ):
        self._path, self._names = path, list(names)
        self._writer = None if path is None else Writer(path, form)
        self._why = _why(names)

    def write(self, chunk: Chunk, faults: Sequence[Fault], tally: Tally) -> None:
        """Adds the refused rows of a chunk, in their order, and counts them."""
        found: list[tuple[int, int | None, str, Any, str]] = [
            (int(chunk.numbers[one.row]), one.row, one.column, _value(chunk, one), one.rule) for one in faults
        ]
        found += [(one.number, None, "", one.value, one.rule) for one in chunk.faulty]
        found.sort(key=lambda one: one[0])
        for number, _, column, value, rule in found:
            tally.refusal(number, column, value, rule)
        if self._writer is None:
            return
        if self._writer.form == "jsonl" and isinstance(next(iter(chunk.columns.values()), []), list):
            self._writer.write_records([self._record(chunk, *one) for one in found])
            return
        self._writer.write(self._columns(chunk, found))

    def commit(self) -> None:
        """Gives the file its name; removes an old one where no row was refused."""
        if self._writer is not None and self._writer.rows:
            self._writer.commit()
        elif self._path is not None and Path(self._path).is_file():  # not /dev/null, for instance
            Path(self._path).unlink()

    def discard(self) -> None:
        """Leaves nothing half-written behind."""
        if self._writer is not None:
            self._writer.discard()

    def _record(self, chunk: Chunk, number: int, at: int | None, column: str, value: Any, rule: str) -> dict[str, Any]:
        """A refused object of JSON lines, as it was."""
        own = {} if at is None else {name: values[at] for name, values in chunk.columns.items()}
        shown = _shown(value) if isinstance(value, float) else value  # JSON has no infinity
        why = zip(self._why, (number, column, shown, rule), strict=True)
        return {**{name: one for name, one in own.items() if one is not ABSENT}, **dict(why)}

    def _columns(self, chunk: Chunk, found: list[tuple[int, int | None, str, Any, str]]) -> dict[str, Any]:
        import pyarrow as pa

        # Lines that are no rows have no values: their places are null.
        rows = np.array([one[1] for one in found if one[1] is not None], np.int64)
        places = iter(range(len(rows)))
        spread = pa.array([None if one[1] is None else next(places) for one in found], pa.int64())
        absent = [None] * chunk.rows
        columns = {name: kept(chunk.columns.get(name, absent), rows, texts=True).take(spread) for name in self._names}
        number, column, value, rule = self._why
        columns[number] = pa.array([one[0] for one in found], pa.int64())
        columns[column] = pa.array([one[2] for one in found], pa.string())
        columns[value] = pa.array([_shown(one[3]) for one in found], pa.string())
        columns[rule] = pa.array([one[4] for one in found], pa.string())
        return columns


def _value(chunk: Chunk, fault: Fault) -> Any:
    """The value as it stood: a CSV's 1e400, not what it was read as."""
    column = chunk.columns.get(fault.column)
    return fault.value if not chunk.texts or column is None else column[fault.row].as_py()


def empty_rejects(columns: Mapping[str, pa.Array]) -> pa.Table:
    """The table of refused rows where there are none.

    Args:
        columns: Those of the table, without a row.
    """
    import pyarrow as pa

    number, *others = _why(list(columns))
    none = {name: kept(values, np.zeros(0, np.int64), texts=True) for name, values in columns.items()}
    texts = {name: pa.array([], pa.string()) for name in others}
    return pa.table({**none, number: pa.array([], pa.int64()), **texts})


def _why(names: Sequence[str]) -> list[str]:
    """The names of the columns that say why; others where the table has such columns itself."""
    return [name if name not in names else f"refused_{name}" for name in _WHY]


def _shown(value: Any) -> str | None:
    return None if value is None else shorten(value if isinstance(value, str) else str(value), _LONGEST)
