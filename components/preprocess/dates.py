"""Dates, parsed strictly: a text is a date in the declared form, or it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

    from components.preprocess.cell import Place

ISO = "ISO8601"
_CLOCK = ("now", "today")
"""Words that pandas turns into the present time, whatever the format."""


def to_dates(values: pa.ChunkedArray, place: Place, date_format: str | None) -> pa.ChunkedArray:
    """Turns a column into timestamp[us] in UTC.

    Args:
        values: Texts, dates, or with a format also whole numbers such as 20260131.
        place: What to call it in a refusal.
        date_format: strptime format; ISO 8601 by default. A time without zone is taken as UTC.

    Raises:
        Refusal: The first value that is no such date, or a format that is none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    types, plain = pa.types, pa.timestamp("us")
    if types.is_timestamp(values.type):
        there = pa.timestamp("us", values.type.tz and "UTC")
        return pc.cast(pc.cast(values, there, safe=False), plain)
    if types.is_date(values.type):
        return pc.cast(values, plain)
    if types.is_null(values.type):
        return pc.cast(values, plain)
    if types.is_integer(values.type) and date_format:
        values = pc.cast(values, pa.string())
    if not types.is_string(values.type):
        raise place.refuse_type(values.type, "date", "ISO 8601 texts, dates, or numbers with preprocess.date_format")
    values = pc.utf8_trim_whitespace(values)
    values = pc.if_else(pc.equal(values, ""), None, values)
    if date_format is None:
        try:
            return pc.cast(values, plain)
        except pa.ArrowInvalid:
            pass  # A rarer form of ISO 8601, or no date at all: the slower parser tells.
    parsed = _parsed(values, place.column, date_format or ISO)
    place.refuse(
        values,
        pc.and_(parsed.is_null(), values.is_valid()),
        "date",
        f"dates of the form {date_format}"
        if date_format
        else "ISO 8601 dates such as 2026-01-31 or 2026-01-31T12:00:00Z",
        f"mend the value, or set preprocess.date_format.{place.column}",
    )
    return parsed


def _parsed(values: pa.ChunkedArray, column: str, date_format: str) -> pa.ChunkedArray:
    """Dates of texts; missing where a text is none. Every distinct text is parsed once."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    if "%" not in date_format and date_format != ISO:
        raise Refusal(
            "not a date format",
            where=f"preprocess.date_format.{column}",
            value=date_format,
            rule="a strptime format",
            mend="for instance '%d.%m.%Y'",
        )
    coded = values.combine_chunks().dictionary_encode()
    texts = coded.dictionary.to_pandas()
    texts = texts.mask(texts.str.lower().isin(_CLOCK))
    try:
        dates = pd.to_datetime(texts, format=date_format, errors="coerce", utc=True)
    except ValueError as error:
        raise Refusal(
            f"not a date format ({error})",
            where=f"preprocess.date_format.{column}",
            value=date_format,
            rule="a strptime format",
            mend="for instance '%d.%m.%Y'",
        ) from None
    found = pa.array(dates.dt.tz_localize(None).astype("datetime64[us]"), pa.timestamp("us"))
    return pa.chunked_array([pc.take(found, coded.indices)])
