"""Which type a CSV column has, judged by all of its values and not by the first ones alone.

A column is boolean, integer, float or text. It is widened when a value does not fit, never narrowed. Numbers written
with a leading zero (00123) are identifiers and stay text, and so do whole columns of integers beyond 64 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pyarrow as pa

_FEW = 100

Type = Literal["boolean", "integer", "float", "text"]
_WIDER: dict[Type | None, tuple[Type, ...]] = {
    None: ("boolean", "integer", "float", "text"),
    "boolean": ("boolean", "text"),
    "integer": ("integer", "float", "text"),
    "float": ("float", "text"),
    "text": ("text",),
}


def typed(values: pa.ChunkedArray, least: Type | None) -> tuple[Type | None, pa.ChunkedArray]:
    """Turns the texts of a column into values of the narrowest type that holds them.

    Args:
        values: Texts, missing ones null.
        least: The type that earlier values of the column need; nothing if there was no value yet.

    Returns:
        The type and the values. Without any value so far the type stays open and the values are missing floats.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    arrow = {
        None: pa.float64(),
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "float": pa.float64(),
        "text": pa.string(),
    }
    if values.null_count == len(values):
        return least, pc.cast(values, arrow[least])
    first = values.slice(0, _FEW)
    for kind in _WIDER[least]:
        if kind == "text":
            return kind, values
        # Arrow words a message for every value that does not fit: trying a few first is 20 times as fast on texts.
        if _parsed(first, kind, arrow[kind]) is not None and (found := _parsed(values, kind, arrow[kind])) is not None:
            return kind, found
    raise AssertionError("text holds everything")


def _parsed(values: pa.ChunkedArray, kind: Type, arrow: pa.DataType) -> pa.ChunkedArray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    if kind == "boolean":
        true = pc.is_in(values, pa.array(["true", "True", "TRUE"]))
        known = pc.or_(true, pc.is_in(values, pa.array(["false", "False", "FALSE"])))
        return pc.if_else(values.is_valid(), true, None) if pc.all(pc.or_(known, values.is_null())).as_py() else None
    numbers = _numbers(values, arrow)
    if numbers is None:
        values = pc.replace_substring_regex(pc.utf8_trim_whitespace(values), r"^\+", "")
        numbers = _numbers(values, arrow)
    if numbers is None:
        return None
    if _any_leading_zero(values) or (kind == "float" and _beyond_64_bits(values, numbers)):
        return None
    return numbers


def _numbers(values: pa.ChunkedArray, arrow: pa.DataType) -> pa.ChunkedArray | None:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(values, arrow)
    except pa.ArrowInvalid:
        return None


def _any_leading_zero(values: pa.ChunkedArray) -> bool:
    """Whether a number starts with a zero that a digit follows (or an x: Arrow takes hexadecimal for integers)."""
    import pyarrow.compute as pc

    zero = values.filter(pc.starts_with(values, "0"))
    suspects = zero.filter(pc.invert(pc.or_(pc.equal(zero, "0"), pc.starts_with(zero, "0."))))
    return bool(len(suspects)) and pc.any(pc.match_substring_regex(suspects, "^0[0-9xX]")).as_py()


def _beyond_64_bits(values: pa.ChunkedArray, numbers: pa.ChunkedArray) -> bool:
    """Whether all are written as integers, and a float would round some of them."""
    import pyarrow.compute as pc

    largest = pc.max(pc.abs(numbers)).as_py()
    if largest is None or not largest >= 2.0**63:
        return False
    return pc.all(pc.match_substring_regex(values, r"^[+-]?[0-9]+$")).as_py()
