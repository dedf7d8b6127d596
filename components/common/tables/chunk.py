"""Some rows of a table on their way to the model, and what of them goes on to the output."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.arrow_values import as_asked
from components.common.inference.coerce import ABSENT, Way

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.config.base import Kind


@dataclass(frozen=True, slots=True)
class Faulty:
    """A line that is no row: not a JSON object, or with another number of fields than the header."""

    number: int
    """Which row of the table it would be, counted from 1."""
    value: str
    rule: str


@dataclass(frozen=True)
class Chunk:
    """Rows that are asked at once."""

    numbers: np.ndarray
    """(rows,) which row of the table each is, counted from 1."""
    columns: Mapping[str, Any]
    """Name to Arrow array; of JSON lines to Python values, which have a type each. All are of length rows."""
    texts: bool = False
    """Whether the values are the texts of a CSV, missing ones null."""
    faulty: list[Faulty] = field(default_factory=list)
    """Lines between these rows that are none."""

    @property
    def rows(self) -> int:
        """How many."""
        return len(self.numbers)


def asked(chunk: Chunk, kinds: Mapping[str, Kind], ways: Mapping[str, Way]) -> dict[str, Any]:
    """The columns of a chunk as a predictor takes them.

    Args:
        chunk: The rows.
        kinds: The model's columns.
        ways: Column to how its values are written.

    Returns:
        Column to NumPy array or list.
    """
    found = {
        name: as_asked(chunk.columns[name], kind, ways.get(name))
        for name, kind in kinds.items()
        if name in chunk.columns
    }
    # Of JSON lines, one chunk may lack a column that others have: its rows are told apart by the predictor.
    if not found or all(isinstance(values, list) for values in chunk.columns.values()):
        found |= {name: [ABSENT] * chunk.rows for name in kinds if name not in chunk.columns}
    return found


def kept(column: Any, rows: np.ndarray, *, texts: bool = False) -> pa.Array:
    """Some rows of a column, as they go to the output.

    Args:
        column: An Arrow array, or Python values.
        rows: (some,) indices, ascending.
        texts: Whether values without a type in common become texts, those of JSON lines all.

    Returns:
        An Arrow array of a type that every output format knows.
    """
    import pyarrow as pa

    if isinstance(column, list):
        return of_values([column[row] for row in rows.tolist()], texts)
    if len(rows) != len(column):
        column = column.take(pa.array(rows))
    if pa.types.is_nested(column.type) or pa.types.is_binary(column.type) or pa.types.is_duration(column.type):
        return pa.array([_text(value) for value in column.to_pylist()], pa.string())
    return column


def of_values(values: Sequence[Any], texts: bool = False) -> pa.Array:
    """Python values as an Arrow array: of their type if they have one, else as texts."""
    import pyarrow as pa

    plain = [None if value is ABSENT else value for value in values]
    kinds = {type(value) for value in plain if value is not None}
    if not texts:
        for known in ({bool}, {int}, {int, float}, {str}):
            if kinds and kinds <= known:
                try:
                    return pa.array(plain, pa.float64() if float in kinds else None)
                except OverflowError:  # beyond 64 bits
                    break
    return pa.array([_text(value) for value in plain], pa.string())


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    return json.dumps(value, ensure_ascii=False, default=str)
