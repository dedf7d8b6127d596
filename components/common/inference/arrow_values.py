"""Arrow columns brought to their kinds: what `values` does to one value, done to a whole column at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.coerce import ABSENT
from components.common.inference.values import REWRITTEN, NotOfKind, converted, marks_of, text_of

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.config.base import Kind

_WHOLE = r"^(0|-?[1-9][0-9]*)$"
_YEAR = r"^[0-9]{4}[0-9TWZtz:+\-., ]*$"
_MICROSECONDS = 86_400_000_000


@dataclass
class Column:
    """A column of its kind."""

    values: pa.Array
    """numerical: int64 or float64; date: timestamp[us], in UTC; categorical and text: string; identifier: int64, string
    or a type of dates. Null where missing or not of the kind."""
    faults: dict[int, str] = field(default_factory=dict)
    """Index of a value that is not of the kind, to the rule that it breaks."""
    rounded: int = 0
    """Numbers with more digits than a float holds."""


def of_kind(values: pa.Array, kind: Kind, way: Mapping[str, Any] | None = None) -> Column:
    """Brings a column to its kind.

    Args:
        values: The column as it was read.
        kind: Its declared kind.
        way: How its values are written; see `values`.
    """
    way = way or {}
    values = _without_marks(_plain(values), way)
    return _OF_KIND[kind](values, way)


def _plain(values: pa.Array) -> pa.Array:
    """A column without dictionaries, views, bytes and NaN; a null stands for what is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    types, of = pa.types, values.type
    if types.is_dictionary(of):
        return _plain(values.dictionary_decode())
    if types.is_large_string(of) or types.is_string_view(of) or types.is_null(of):
        return values.cast(pa.string())
    if types.is_binary(of) or types.is_large_binary(of) or types.is_fixed_size_binary(of):
        try:
            return values.cast(pa.binary()).cast(pa.string())
        except pa.ArrowInvalid:  # not UTF-8: each kind refuses bytes
            return values
    if types.is_floating(of):
        return pc.if_else(pc.is_nan(values), None, values)
    if types.is_string(of) and pc.any(pc.equal(values, "")).as_py():
        return pc.if_else(pc.equal(values, ""), None, values)
    return values


def _without_marks(values: pa.Array, way: Mapping[str, Any]) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    marks = marks_of(way)
    if not marks or values.null_count == len(values):
        return values
    texts = pc.utf8_trim_whitespace(values) if pa.types.is_string(values.type) else values
    found = pc.is_in(_texts(texts, {**way, "missing": []}).values, pa.array(sorted(marks), pa.string()))
    return pc.if_else(found, pa.scalar(None, values.type), values)


def _texts(values: pa.Array, way: Mapping[str, Any]) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    of = values.type
    if pa.types.is_integer(of):
        return Column(values.cast(pa.string()))
    if not pa.types.is_string(of):
        return _by_distinct(values, "text", way, pa.string())
    if way.get("decimal"):
        odd = pc.match_substring_regex(values, "[.,0-9]|^[tTfF]")
    else:
        odd = pc.match_substring_regex(values, REWRITTEN)
    if not pc.any(odd).as_py():
        return Column(values)
    written = _by_distinct(values.filter(odd), "text", way, pa.string())
    return Column(pc.replace_with_mask(values, pc.fill_null(odd, False), written.values))


def _numbers(values: pa.Array, way: Mapping[str, Any]) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    types, of = pa.types, values.type
    if types.is_boolean(of):
        return Column(values.cast(pa.int64()))
    if types.is_floating(of):
        return Column(values.cast(pa.float64()))
    if types.is_integer(of):
        try:
            return Column(values.cast(pa.int64()))
        except pa.ArrowInvalid:
            return Column(values.cast(pa.float64(), safe=False), rounded=_rounded(values))
    if types.is_decimal(of):
        try:
            return Column(values.cast(pa.int64()))
        except pa.ArrowInvalid:
            return Column(values.cast(pa.float64()), rounded=_rounded(values))
    if not types.is_string(of):
        return _by_distinct(values, "numerical", way, pa.float64())
    if way.keys() <= {"missing"}:
        bare = pc.utf8_trim_whitespace(values)
        numbers = _cast(pc.if_else(pc.equal(bare, ""), None, bare), pa.float64())
        if numbers is not None:
            numbers = pc.if_else(pc.is_nan(numbers), None, numbers)
            # Digits of a whole number may be more than a float keeps, so the texts are asked again.
            whole = _cast(pc.if_else(numbers.is_null(), None, pc.utf8_ltrim(bare, "+")), pa.int64())
            return Column(numbers if whole is None else whole)
    found = _by_distinct(values, "numerical", way, pa.float64())
    mark = "%" if way.get("percent") else way.get("decimal") or "."
    plain = not pc.any(pc.match_substring(values, mark)).as_py()
    wholes = pc.all(pc.equal(found.values, pc.floor(found.values))).as_py()
    return Column(found.values.cast(pa.int64(), safe=False), found.faults) if plain and wholes else found


def _cast(texts: pa.Array, to: pa.DataType) -> pa.Array | None:
    """Texts as numbers; None where one is none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        pc.cast(texts.slice(0, 100), to)  # a few first: Arrow words a message for each value that does not fit
        return pc.cast(texts, to)
    except pa.ArrowInvalid:
        return None


def _rounded(values: pa.Array) -> int:
    """How many exact numbers a float does not hold to the last digit that they are written with."""
    return sum(v is not None and Decimal(repr(float(v))) != v for v in values.to_pylist())


def _dates(values: pa.Array, way: Mapping[str, Any]) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    types, of, plain = pa.types, values.type, pa.timestamp("us")
    if types.is_timestamp(of):
        return Column(pc.cast(pc.cast(values, pa.timestamp("us", of.tz and "UTC"), safe=False), plain))
    if types.is_date(of):
        return Column(pc.cast(values, plain))
    if types.is_string(of):
        bare = pc.utf8_trim_whitespace(values)
        bare = pc.if_else(pc.equal(bare, ""), None, bare)
        if not way.get("format"):
            with suppress(pa.ArrowInvalid):  # a rarer form of ISO 8601, or no date at all
                return Column(pc.cast(bare, plain))
        coded = bare.dictionary_encode()
        if (found := parsed_dates(coded.dictionary, way.get("format"))) is not None:
            return Column(pc.take(found, coded.indices))
    return _by_distinct(values, "date", way, plain, _stamps)


def parsed_dates(texts: pa.Array, form: str | None) -> pa.Array | None:
    """Read texts as dates all at once: value by value takes a hundred times as long.

    Args:
        texts: Without spaces around them.
        form: strptime format; None of ISO 8601.

    Returns:
        timestamp[us], in UTC; None where a text is no date, or one of those that only `day_of` tells.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if form is None and not pc.all(pc.match_substring_regex(texts, _YEAR)).as_py():
        return None
    if pc.any(pc.is_in(pc.utf8_lower(texts), pa.array(["now", "today"]))).as_py():
        return None
    try:
        stamps = pd.to_datetime(texts.to_pandas(), format=form or "ISO8601", utc=True)
    except (ValueError, TypeError, OverflowError):
        return None
    found = pa.array(stamps.dt.tz_localize(None).to_numpy("datetime64[us]"), pa.timestamp("us"), from_pandas=True)
    return found if found.null_count == texts.null_count else None


def _stamps(days: list[float]) -> Any:
    found = np.full(len(days), np.datetime64("NaT"), "datetime64[us]")
    there = ~np.isnan(days)
    found[there] = np.round(np.asarray(days)[there] * _MICROSECONDS).astype("int64").astype("datetime64[us]")
    return found


def _identifiers(values: pa.Array, way: Mapping[str, Any]) -> Column:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_temporal(values.type):
        return Column(values)
    found = _texts(values, way)
    if pc.all(pc.match_substring_regex(found.values, _WHOLE)).as_py():
        with suppress(pa.ArrowInvalid):  # beyond 64 bits
            found.values = pc.cast(found.values, pa.int64())
    return found


def _by_distinct(
    values: pa.Array, kind: Kind, way: Mapping[str, Any], of: pa.DataType, finish: Callable[[list], Any] = list
) -> Column:
    """Converts each distinct value once, by the rule for one value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_nested(values.type):
        rule = "a single value, not a list or a record"
        rows = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False)).tolist()
        return Column(pa.nulls(len(values), of), dict.fromkeys(rows, rule))
    coded = values.dictionary_encode()
    distinct, bad = converted(scalars(coded.dictionary), kind, way)
    found = pc.take(pa.array(finish(distinct), of, from_pandas=True), coded.indices)
    faults: dict[int, str] = {}
    if bad:
        codes = coded.indices.to_numpy(zero_copy_only=False)
        for row in np.flatnonzero(np.isin(codes, list(bad))).tolist():
            faults[row] = bad[int(codes[row])]
    return Column(found, faults)


def scalars(values: pa.Array) -> list[Any]:
    """Values with the digits that they have: `as_py` would give a float of 32 bits those of 64."""
    import pyarrow as pa

    if pa.types.is_floating(values.type) and not values.null_count:
        return list(values.to_numpy(zero_copy_only=False))
    return values.to_pylist()


_OF_KIND: dict[str, Callable[[Any, Mapping[str, Any]], Column]] = {
    "numerical": _numbers,
    "categorical": _texts,
    "text": _texts,
    "date": _dates,
    "identifier": _identifiers,
}


def texts_of(values: Any) -> pa.Array:
    """An Arrow array as it is; a list of JSON's values as texts, numbers and booleans as `text_of` writes them."""
    import pyarrow as pa

    return pa.array(map(_text, values), pa.string()) if isinstance(values, list) else values


def _text(value: Any) -> str | None:
    if value is None or value is ABSENT or value != value:
        return None
    try:
        return value if isinstance(value, str) else text_of(value)
    except NotOfKind:
        return str(value)


def as_asked(values: Any, kind: Kind, way: Mapping[str, Any] | None = None) -> Any:
    """An Arrow column as a predictor takes it: typed where all values are of the kind, else value by value.

    Args:
        values: An Arrow array; a list (of JSON) is taken as it is.
        kind: The kind that the model knows the column by.
        way: How its values are written.

    Returns:
        (rows,) float64, datetime64[us], or a list.
    """
    if isinstance(values, list):
        return values
    column = of_kind(values, kind, way)
    if column.faults:
        return scalars(values)
    numbers = kind in ("numerical", "date")
    return column.values.to_numpy(zero_copy_only=False) if numbers else column.values.to_pylist()
