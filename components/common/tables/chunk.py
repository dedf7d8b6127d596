"""Some rows of a table on their way to the model, and what of them goes on to the output."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.coerce import ABSENT

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.config import Kind


_NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"


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


def asked(chunk: Chunk, kinds: Mapping[str, Kind]) -> tuple[dict[str, Any], bool]:
    """The columns of a chunk as a predictor takes them.

    Args:
        chunk: The rows.
        kinds: The model's columns.

    Returns:
        Column to NumPy array or list, and whether they are texts that numbers have yet to be read from.
    """
    names = [name for name in kinds if name in chunk.columns]
    # Of JSON lines, one chunk may lack a column that others have: its rows are told apart by the predictor.
    lacking = (
        {name: [ABSENT] * chunk.rows for name in kinds if name not in chunk.columns}
        if not names or isinstance(chunk.columns[names[0]], list)
        else {}
    )
    if not chunk.texts:
        return {name: _values(chunk.columns[name], kinds[name]) for name in names} | lacking, False
    found: dict[str, Any] = {}
    for name in names:
        numbers = _parsed(chunk.columns[name]) if kinds[name] == "numerical" else None
        if kinds[name] == "numerical" and numbers is None:  # something among them needs a second look
            return {name: chunk.columns[name].to_pylist() for name in names}, True
        found[name] = chunk.columns[name].to_pylist() if numbers is None else numbers
    return found, False


def _parsed(texts: pa.Array) -> np.ndarray | None:
    """Numbers of texts, NaN where missing; None where one of them is not plainly a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def _read(texts: pa.Array) -> Any:
    """A column of numbers in which some value is none, so that all became texts: numbers where they are, else texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(texts)
    if (numbers := _parsed(texts)) is not None:
        return numbers
    plain = pc.match_substring_regex(texts, _NUMBER)
    found = pc.cast(pc.if_else(plain, texts, pa.scalar(None, pa.string())), pa.float64()).to_pylist()
    return [text if number is None else number for number, text in zip(found, texts.to_pylist(), strict=True)]


def _values(column: Any, kind: Kind) -> Any:
    """An Arrow array as NumPy's where that loses nothing, else as a list; a list as it is."""
    import pyarrow as pa

    if isinstance(column, list):
        return column
    types, of = pa.types, column.type
    if kind == "numerical" and types.is_string(of):
        return _read(column)
    if types.is_decimal(of):
        column, of = column.cast(pa.float64()), pa.float64()
    number = types.is_integer(of) or types.is_floating(of)
    if (number and (kind == "numerical" or not column.null_count)) or types.is_temporal(of):
        return column.to_numpy(zero_copy_only=False)
    return column.to_pylist()


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
