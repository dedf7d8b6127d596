"""The columns of a request or a table, each brought to its kind, or told which rows are not of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.values import converted, of_array

if TYPE_CHECKING:
    from components.common.config.base import Kind

Values = Sequence[Any] | np.ndarray
Typed = np.ndarray | list
"""(rows,) float64 of numbers and dates (days since 1970), NaN where missing; a list of str of strings, None there."""
Way = Mapping[str, Any]
"""How the values of a column are written; see `values`."""
NO_KEY = "every row needs this column; null stands for a missing value"
FINITE = "a finite number"


@dataclass(frozen=True)
class Fault:
    """Why a row is not answered."""

    row: int
    """Counted from 0."""
    column: str
    value: Any
    rule: str


class _Absent:
    """The type of `ABSENT`."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = _Absent()
"""In the place of a value: the record has no such key."""
_NUMBERS = {float, int, type(None)}


def typed(
    columns: Mapping[str, Values],
    kinds: Mapping[str, Kind],
    optional: frozenset[str],
    rows: int,
    ways: Mapping[str, Way] | None = None,
) -> tuple[dict[str, Typed], list[Fault]]:
    """Brings columns to their kinds.

    Args:
        columns: Column to its values; those that are not in `kinds` are passed over.
        kinds: Column to numerical, categorical, text or date.
        optional: Columns that may be absent; all their values then are missing.
        rows: How many rows there are.
        ways: Column to how its values are written, where that is not the usual one.

    Returns:
        Column to typed values, and the first fault of each row that has one, by row; the values there mean nothing.
    """
    ways = ways or {}
    found: dict[str, Typed] = {}
    faults: dict[int, Fault] = {}
    plain = [name for name, kind in kinds.items() if kind == "numerical" and name in columns and name not in ways]
    quick = _plain_numbers([columns[name] for name in plain])  # all at once: most requests hold nothing else
    if quick is not None:
        found.update(zip(plain, quick, strict=True))
    for name, kind in kinds.items():
        if name in found:
            continue
        values = columns.get(name)
        if values is None:
            found[name] = np.full(rows, np.nan) if kind in ("numerical", "date") else [None] * rows
            continue
        way = ways.get(name, {})
        one = of_array(values, kind, way) if isinstance(values, np.ndarray) else None
        if one is None or np.isinf(one).any():
            one = _value_by_value(name, values, kind, way, name in optional, faults)
        found[name] = one
    return {name: found[name] for name in kinds}, [faults[row] for row in sorted(faults)]


def _plain_numbers(columns: list[Values]) -> np.ndarray | None:
    """(columns, rows) of lists that hold nothing but finite numbers and None; None where there is anything else."""
    for values in columns:
        if type(values) is not list or not _NUMBERS.issuperset(map(type, values)):
            return None
    if not columns:
        return None
    try:
        array = np.array(columns, dtype=np.float64)
    except OverflowError:  # a whole number of more than 308 digits
        return None
    return None if np.isinf(array).any() else array


def _value_by_value(name: str, values: Values, kind: Kind, way: Way, optional: bool, faults: dict[int, Fault]) -> Typed:
    # `tolist` would make whole numbers of times, and give numbers of 32 bits digits that they do not have.
    plain: Any = values
    if isinstance(values, np.ndarray) and values.dtype.kind not in "mMf":
        plain = values.tolist()
    elif type(values) is not list:
        plain = list(values)
    absent = [row for row, value in enumerate(plain) if value is ABSENT]
    given = [None if value is ABSENT else value for value in plain] if absent else plain
    found, bad = converted(given, kind, way)
    if not optional:
        bad |= dict.fromkeys(absent, NO_KEY)
    if kind in ("numerical", "date"):
        found = np.array(found, dtype=np.float64)
        bad |= dict.fromkeys(np.flatnonzero(np.isinf(found)).tolist(), FINITE)
    for row, rule in bad.items():
        if row not in faults:
            faults[row] = Fault(row, name, None if plain[row] is ABSENT else plain[row], rule)
    return found
