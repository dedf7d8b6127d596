"""Columns of a text format as the types that keep all of them: numbers where they are declared, else texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from components.common.inference.coerce import ABSENT
from components.common.inference.values import NotOfKind, converted, text_of

if TYPE_CHECKING:
    import pyarrow as pa

Type = Literal["integer", "float", "text"]
_PLAIN = frozenset({"missing"})


def number_column(values: Any, least: Type | None, way: Mapping[str, Any]) -> tuple[Type | None, pa.ChunkedArray]:
    """Turn the values of a declared number into the narrowest type that holds them all.

    Args:
        values: Texts (Arrow), or Python values of JSON.
        least: The type that earlier values of the column need; None if there was no value yet.
        way: How the values are written, see `inference.values`.

    Returns:
        The type and the values: int64, float64, or texts if one is no number. Without any value so far the type stays
        open and the values are missing floats.
    """
    import pyarrow as pa

    if least != "text":
        found = _numbers(values, way, least == "float")
        if found is not None:
            if found.null_count == len(found):
                kind, to = least, pa.int64() if least == "integer" else pa.float64()
                return kind, found.cast(to)
            return ("integer" if pa.types.is_integer(found.type) else "float"), found
    return "text", text_column(values)


def text_column(values: Any) -> pa.ChunkedArray:
    """Return texts as written; of JSON's numbers and booleans `text_of` them."""
    import pyarrow as pa

    if not isinstance(values, list):
        return values
    return pa.chunked_array([pa.array([_text(value) for value in values], pa.string())])


def _numbers(values: Any, way: Mapping[str, Any], wide: bool) -> pa.ChunkedArray | None:
    """Values as int64 or float64, missing ones null; None where one is no number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(values, list):
        plain = [None if value is ABSENT else value for value in values]
        if not wide and {int, type(None)}.issuperset(map(type, plain)) and not way:
            try:
                return pa.chunked_array([pa.array(plain, pa.int64())])
            except OverflowError:
                pass
        return _converted(plain, way)
    for texts in (values, None):
        if way.keys() - _PLAIN:
            break
        # Digits of a whole number may be more than a float keeps, so both are tried on the texts.
        texts = pc.replace_substring_regex(pc.utf8_trim_whitespace(values), r"^\+", "") if texts is None else texts
        floats = _cast(texts, pa.float64())
        if floats is not None:
            integers = None if wide else _cast(texts, pa.int64())
            return _without_marks(floats if integers is None else integers, way)
    return _converted(values.to_pylist(), way)


def _cast(texts: pa.ChunkedArray, to: pa.DataType) -> pa.ChunkedArray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    for part in (texts.slice(0, 100), texts):  # a few first: Arrow words a message for each value that does not fit
        try:
            found = pc.cast(part, to)
        except pa.ArrowInvalid:
            return None
    return found


def _without_marks(numbers: pa.ChunkedArray, way: Mapping[str, Any]) -> pa.ChunkedArray:
    """Numbers without those that stand for a missing value, such as -999."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marks, _ = converted([*way.get("missing", ())], "numerical")
    marks = [mark for mark in marks if not math.isnan(mark)]
    if not marks:
        return numbers
    marked = pc.is_in(numbers.cast(pa.float64(), safe=False), pa.array(marks, pa.float64()))
    return pc.if_else(marked, pa.scalar(None, numbers.type), numbers)


def _converted(values: Sequence[Any], way: Mapping[str, Any]) -> pa.ChunkedArray | None:
    import pyarrow as pa

    numbers, faults = converted(values, "numerical", way)
    return None if faults else pa.chunked_array([pa.array(numbers, pa.float64(), from_pandas=True)])


def _text(value: Any) -> str | None:
    if value is None or value is ABSENT or value != value:
        return None
    try:
        return value if isinstance(value, str) else text_of(value)
    except NotOfKind:  # a number beyond all bounds
        return str(value)
