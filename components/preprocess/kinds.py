"""Columns made to be of their declared kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.common.config import Kind
from components.preprocess.cell import Place
from components.preprocess.dates import to_dates

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?([iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
_EXACT = 2.0**53
"""Up to here, floats hold whole numbers exactly."""


def to_kind(values: pa.ChunkedArray, kind: Kind, place: Place, date_format: str | None = None) -> pa.ChunkedArray:
    """Makes a column be of its kind.

    Args:
        values: The column as it was read.
        kind: Its declared kind.
        place: What to call it in a refusal.
        date_format: strptime format of a date column; ISO 8601 without one.

    Returns:
        numerical: int64 or float64, infinities left for check_data; categorical and text: string, whole numbers
        without `.0`, booleans as `true` and `false`; date: timestamp[us] in UTC; identifier: as it was.
        NaN is missing.

    Raises:
        Refusal: The first value that does not fit.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types = pa.types
    if types.is_nested(values.type):
        raise place.refuse_type(values.type, kind, "a value is a single one, not a list or a record")
    if types.is_binary(values.type) or types.is_large_binary(values.type) or types.is_fixed_size_binary(values.type):
        try:
            values = pc.cast(values, pa.string())
        except pa.ArrowInvalid:
            raise place.refuse_type("bytes", kind, "texts are UTF-8") from None
    if types.is_dictionary(values.type) or types.is_large_string(values.type) or types.is_string_view(values.type):
        values = pc.cast(values, values.type.value_type if types.is_dictionary(values.type) else pa.string())
    if types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if kind == "numerical":
        return _numbers(values, place)
    if kind == "date":
        return to_dates(as_text(values) if types.is_floating(values.type) else values, place, date_format)
    return values if kind == "identifier" else as_text(values)


def _numbers(values: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    types, kind = pa.types, values.type
    if types.is_boolean(kind):
        return pc.cast(values, pa.int64())
    if types.is_string(kind):
        return _parsed(values, place)
    if types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return pc.cast(values, pa.float64())
    if types.is_integer(kind):
        try:
            return pc.cast(values, pa.int64())
        except pa.ArrowInvalid:
            return pc.cast(values, pa.float64(), safe=False)
    raise place.refuse_type(kind, "numerical", "numbers")


def _parsed(texts: pa.ChunkedArray, place: Place) -> pa.ChunkedArray:
    """Numbers out of texts. Empty texts and `nan` are missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bare = pc.utf8_trim_whitespace(texts)
    bare = pc.if_else(pc.is_in(pc.utf8_lower(bare), pa.array(["", "nan"])), None, bare)
    place.refuse(
        texts,
        pc.invert(pc.fill_null(pc.match_substring_regex(bare, _NUMBER), True)),
        "numerical",
        "numbers such as 12 or -0.5 or 1e6",
    )
    if pc.any(pc.starts_with(bare, "+")).as_py():
        bare = pc.replace_substring_regex(bare, r"^\+", "")
    try:
        return pc.cast(bare, pa.int64())
    except pa.ArrowInvalid:
        return pc.cast(bare, pa.float64())


def as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Values as they are written: 3 for 3.0, true for True."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_floating(values.type):
        return pc.cast(values, pa.string())
    whole = pc.and_(pc.equal(values, pc.floor(values)), pc.less(pc.abs(values), _EXACT))
    wholes = pc.cast(pc.cast(pc.if_else(whole, values, None), pa.int64()), pa.string())
    return pc.coalesce(wholes, pc.cast(values, pa.string()))
