"""The values of a request or a table, each brought to the kind of its column, or told why it is not of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from components.common.config.base import Kind

Values = Sequence[Any] | np.ndarray
Typed = np.ndarray | list
"""(rows,) float64 of numbers and dates (days since 1970), NaN where missing; a list of str of strings, None there."""


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
_NONE = type(None)
_NUMBERS = {float, int, _NONE}
_STRINGS = {str, _NONE}
_WORDS = {"true": 1.0, "false": 0.0}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?")
_YEAR = re.compile(r"\d{4}[0-9TWZtz:+\-., ]*", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_MICROSECONDS = 86_400_000_000


class _Bad(Exception):
    """A value that is not of its kind; the text is the rule that it breaks."""


def typed(
    columns: Mapping[str, Values], kinds: Mapping[str, Kind], optional: frozenset[str], rows: int, texts: bool = False
) -> tuple[dict[str, Typed], list[Fault]]:
    """Brings columns to their kinds.

    Args:
        columns: Column to its values; those that are not in `kinds` are passed over.
        kinds: Column to numerical, categorical, text or date.
        optional: Columns that may be absent; all their values then are missing.
        rows: How many rows there are.
        texts: Whether the values are the texts of a CSV: numbers are read from them, empty ones are missing.

    Returns:
        Column to typed values, and the first fault of each row that has one, by row; the values there mean nothing.
    """
    found: dict[str, Typed] = {}
    faults: dict[int, Fault] = {}
    numbers = [] if texts else [name for name, kind in kinds.items() if kind == "numerical" and name in columns]
    quick = _plain_numbers([columns[name] for name in numbers])
    if quick is not None:
        found.update(zip(numbers, quick, strict=True))
    for name, kind in kinds.items():
        if name in found:
            continue
        values = columns.get(name)
        if values is None:
            found[name] = np.full(rows, np.nan) if kind in ("numerical", "date") else [None] * rows
            continue
        quickly, slowly = _WAYS[kind]
        values = _read(values, kind) if texts else values
        one = quickly(values)
        if one is None:
            one = _value_by_value(name, values, slowly, kind, name in optional, texts, faults)
        found[name] = one
    return found, [faults[row] for row in sorted(faults)]


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


def _numbers(values: Values) -> np.ndarray | None:
    if isinstance(values, np.ndarray):
        if values.dtype.kind not in "fiub":
            return None
        array = values.astype(np.float64, copy=False)
        return None if np.isinf(array).any() else array
    array = _plain_numbers([values])
    return None if array is None else array[0]


def _strings(values: Values) -> list | None:
    if isinstance(values, np.ndarray):
        values = values.tolist() if values.dtype.kind in "OU" else ()
    return values if type(values) is list and values and _STRINGS.issuperset(map(type, values)) else None


def _days(values: Values) -> np.ndarray | None:
    if isinstance(values, np.ndarray):
        if values.dtype.kind != "M":
            return None
        return _as_days(values)
    if not _STRINGS.issuperset(map(type, values)):
        return None
    try:
        return np.array([math.nan if v is None else _moment(v) for v in values])
    except (ValueError, OverflowError):  # not written in one of the two usual ways, or there is no such day
        return None


def _moment(text: str) -> float:
    """Days since 1970 in UTC.

    Raises:
        ValueError: It is written in another way.
    """
    if not (_DAY.fullmatch(text) or _MOMENT.fullmatch(text)):
        raise ValueError
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    since = moment - _EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) / _MICROSECONDS


def _as_days(stamps: np.ndarray) -> np.ndarray:
    stamps = stamps.astype("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64") / _MICROSECONDS)


def _value_by_value(
    name: str, values: Values, to: Callable, kind: Kind, optional: bool, texts: bool, faults: dict[int, Fault]
) -> Typed:
    """The slow way, for columns in which something is out of the ordinary."""
    found: list[Any] = []
    missing = None if kind in ("categorical", "text") else math.nan
    # Of times, `tolist` would make whole numbers.
    plain = values.tolist() if isinstance(values, np.ndarray) and values.dtype.kind not in "mM" else values
    for row, value in enumerate(plain):
        try:
            if value is ABSENT:
                if not optional:
                    raise _Bad("every row needs this column; null stands for a missing value")
                value = None
            if value is None or value != value:
                found.append(missing)
            else:
                found.append(to(value))
        except _Bad as bad:
            found.append(missing)
            before = faults.get(row)
            faults[row] = before or Fault(row, name, None if value is ABSENT else value, str(bad))
    return found if missing is None else np.array(found, dtype=np.float64)


def _number(value: Any) -> float:
    if not isinstance(value, np.timedelta64) and isinstance(value, (bool, int, float, np.number, np.bool_)):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if math.isinf(number):
            raise _Bad("a finite number")
        return number
    raise _Bad("a number; null where it is missing" if isinstance(value, str) else "a number")


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, float, np.number)):
        if math.isinf(value):
            raise _Bad("a string or a finite number")
        return str(int(value)) if value == int(value) else str(value)
    raise _Bad("a string")


def _day(value: Any) -> float:
    if value == "":
        return math.nan
    # pandas takes words such as `now` for dates too.
    if not (_YEAR.fullmatch(value) if isinstance(value, str) else isinstance(value, (np.datetime64, date))):
        raise _Bad("a date as ISO 8601 has it, for instance 2024-05-31")
    import pandas as pd  # knows all of ISO 8601

    try:
        stamp = pd.to_datetime(value, format="ISO8601", utc=True)
        if pd.isna(stamp):
            return math.nan
        return float(_as_days(np.array([stamp.tz_localize(None).to_datetime64()]))[0])
    except (ValueError, TypeError, OverflowError):
        raise _Bad("a date as ISO 8601 has it, for instance 2024-05-31") from None


def _read(values: Values, kind: Kind) -> Values:
    """The texts of a CSV as values: numbers where numbers are wanted, None where empty."""
    if kind != "numerical":
        return [v or None for v in values]
    return [None if v is None or v == "" else float(v) if _NUMBER.fullmatch(v) else _word(v) for v in values]


def as_trained(texts: Sequence[str], known: frozenset[str]) -> list[str]:
    """Categories of a CSV, written as the training table wrote them.

    There `True` was read as a boolean and 3.0 as a number where all values of the column were such; here one value
    must do. Texts that are known as they stand stay.

    Args:
        texts: The cells.
        known: The values that the column had in training.
    """
    return [v if v in known or not v else _otherwise(v, known) for v in texts]


def _otherwise(text: str, known: frozenset[str]) -> str:
    other = text.lower() if text.lower() in _WORDS else text
    if _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        other = _string(number)
    return other if other in known else text


def _word(text: str) -> Any:
    return _WORDS.get(text.strip().lower(), text)


_WAYS: dict[str, tuple[Callable, Callable]] = {
    "numerical": (_numbers, _number),
    "categorical": (_strings, _string),
    "text": (_strings, _string),
    "date": (_days, _day),
}
