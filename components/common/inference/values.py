"""The one conversion of a value to the kind of its column, in training and wherever a model is asked.

What a cell means must not depend on the door that it came through: `1.0` is 1, `True` is true, and 007 keeps its zeros,
whether it stands in a CSV, in JSON or in parquet. The rule looks at one value alone, never at those beside it, and
leaves all else as it is written: 2.50 is a version or a price, and no other writing of 2.5.

This file travels inside every model as its text (see `train.shipped`), so that a model answers alike where this project
is not installed. It may therefore import nothing of the project.

A `way` tells how the values of a column are written, where that is not the usual one: a dict with some of `missing` (a
list of further spellings), `format` (strptime), `decimal`, `thousands`, `currency` and `percent`.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np

TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
REWRITTEN = r"^(true|True|TRUE|false|False|FALSE|-?(0|[1-9][0-9]*)\.0+|-0)$"
"""Texts that may be written in another way than `text_of` writes them."""
NUMBER = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?([iI][nN][fF]([iI][nN][iI][tT][yY])?)$"
"""Texts that are a number."""
_REWRITTEN, _NUMBER = re.compile(REWRITTEN), re.compile(NUMBER)
_YEAR = re.compile(r"\d{4}[0-9TWZtz:+\-., ]*", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_EPOCH, _MICROSECONDS = datetime(1970, 1, 1), 86_400_000_000
_FIRST = "-0123456789tTfF"  # no set: a model is the same bytes each time
_SPACES = " \u00a0\u202f"
_KNOWN = 1000
"""So many texts of a column are remembered."""


class NotOfKind(ValueError):
    """A value that is not of the kind of its column; the text is the rule that it breaks."""


def is_missing(value):
    """Whether a value is none: None, NaN, NaT, pandas.NA, an empty text."""
    if value is None or (isinstance(value, str) and value == ""):
        return True
    if isinstance(value, (float, np.floating, np.datetime64, np.timedelta64)):
        return bool(value != value)
    return type(value).__name__ in ("NAType", "NaTType")  # pandas' own, without its import


def date_parts(days):
    """The parts of dates that a model may learn from.

    Args:
        days: An array of days since 1970, NaN where missing.

    Returns:
        year, month (1 to 12), weekday (0 is Monday) and hour, each an array of floats like `days`.
    """
    missing = np.isnan(days)
    whole = np.floor(np.where(missing, 0.0, days))
    months = whole.astype("int64").astype("datetime64[D]").astype("datetime64[M]").astype("int64")
    found = {
        "year": months // 12 + 1970,
        "month": months % 12 + 1,
        "weekday": (whole + 3) % 7,  # the first of January 1970 was a Thursday
        "hour": np.floor((days - whole) * 24 + 1e-6),  # 13/24 of a day is a little less than 13 hours
    }
    return {name: np.where(missing, np.nan, part) for name, part in found.items()}


def text_of(value, way=None):
    """A value as categories and texts are written: 3 for 3.0 and "3.0", true for True and "True", 007 as it stands.

    Raises:
        NotOfKind: It is a list, an object, or bytes that are not UTF-8.
    """
    if isinstance(value, str):
        if value[:1] not in _FIRST:
            return value
        decimal = (way or {}).get("decimal") or "."
        plain = value if decimal == "." else value.replace(".", "\0").replace(decimal, ".")
        if not _REWRITTEN.fullmatch(plain):
            return value
        whole = plain.lower().partition(".")[0]
        return "0" if whole == "-0" else whole
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, (int, np.integer)) and not isinstance(value, np.timedelta64):
        return str(int(value))
    if isinstance(value, (float, np.floating)):
        return text_of(str(value))
    if isinstance(value, Decimal):
        return text_of(format(value, "f"))
    return _other_text(value)


def _other_text(value):
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    elif isinstance(value, np.timedelta64):
        value = value.astype("timedelta64[us]").item()
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat(" ")
    if isinstance(value, (date, time, timedelta)):
        return str(value)
    if isinstance(value, bytes):
        try:
            return text_of(value.decode())
        except UnicodeDecodeError:
            raise NotOfKind("a string in UTF-8") from None
    raise NotOfKind("a string")


def number_of(value, way=None):
    """A value as a float: of a number, true (1), false (0), or a text of one of these.

    Raises:
        NotOfKind: It is none.
    """
    if isinstance(value, (bool, int, float, np.number, np.bool_, Decimal)) and not isinstance(value, np.timedelta64):
        try:
            return float(value)
        except OverflowError:  # a whole number of more than 308 digits
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str):
        return _number_of_text(value, way or {})
    raise NotOfKind("a number")


def _number_of_text(text, way):
    text = text.strip()
    if text in TRUE or text in FALSE:
        return float(text in TRUE)
    if text == "" or text.lower() == "nan":
        return math.nan
    share = 1.0
    if currency := way.get("currency"):
        sign = text[:1] if text[:1] in ("-", "+") else ""
        text = sign + text[len(sign) :].strip().removeprefix(currency).removesuffix(currency).strip()
    if way.get("percent") and text.endswith("%"):
        text, share = text[:-1].rstrip(), 100.0
    plain = _point(text, way)
    if plain is None or not _NUMBER.fullmatch(plain):
        raise NotOfKind(number_rule(way))
    return float(plain) / share


def _point(text, way):
    """A number with a decimal point and without groups of digits; None where groups or points are in wrong places."""
    thousands, decimal = way.get("thousands"), way.get("decimal") or "."
    if thousands:
        spaces = _SPACES if thousands.isspace() else ""
        whole, mark, rest = text.partition(decimal)
        groups = re.split(f"[{re.escape(thousands + spaces)}]", whole)
        if len(groups) > 1:
            if not all(len(group) == 3 for group in groups[1:]) or not 1 <= len(groups[0].lstrip("+-")) <= 3:
                return None
            text = "".join(groups) + mark + rest
    if decimal != ".":
        return None if "." in text else text.replace(decimal, ".")
    return text


def number_rule(way):
    """What a number must look like, in words."""
    if not any(key in way for key in ("decimal", "thousands", "currency", "percent")):
        return "a number; null where it is missing"
    decimal, thousands = way.get("decimal") or ".", way.get("thousands") or ""
    example = f"{way.get('currency') or ''}1{thousands}234{decimal}5{'%' if way.get('percent') else ''}"
    return f"a number, written like {example}"


def day_of(value, way=None):
    """A value as days since 1970 in UTC; NaN of an empty text.

    Raises:
        NotOfKind: It is no date, or not written in the column's format (ISO 8601 where it has none).
    """
    form = (way or {}).get("format")
    if isinstance(value, np.datetime64):
        return float(days_of(np.array([value]))[0])
    if isinstance(value, datetime):
        return _since(value)
    if isinstance(value, date):
        return float((value - _EPOCH.date()).days)
    if form and not isinstance(value, str):
        value = text_of(value)
    rule = f"a date of the form {form}" if form else "a date as ISO 8601 has it, for instance 2024-05-31"
    if not isinstance(value, str):
        raise NotOfKind(rule)
    value = value.strip()
    if value == "":
        return math.nan
    if not form and (_DAY.fullmatch(value) or _MOMENT.fullmatch(value)):
        try:
            return _since(datetime.fromisoformat(value))
        except (ValueError, OverflowError):  # there is no such day
            raise NotOfKind(rule) from None
    # pandas takes words such as `now` for dates too.
    if not form and not _YEAR.fullmatch(value):
        raise NotOfKind(rule)
    import pandas as pd  # knows all of ISO 8601, and every strptime format

    try:
        stamp = pd.to_datetime(value, format=form or "ISO8601", utc=True)
        if pd.isna(stamp) or value.lower() in ("now", "today"):
            raise NotOfKind(rule)
        return float(days_of(np.array([stamp.tz_localize(None).to_datetime64()]))[0])
    except (ValueError, TypeError, OverflowError):
        raise NotOfKind(rule) from None


def _since(moment):
    since = moment.replace(tzinfo=None) - _EPOCH - (moment.utcoffset() or timedelta(0))
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) / _MICROSECONDS


def days_of(stamps):
    """(n,) days since 1970 of (n,) datetime64, NaN where missing."""
    stamps = stamps.astype("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64") / _MICROSECONDS)


def of_array(values, kind, way=None):
    """Brings an array that has a type of the kind to it, all at once.

    Args:
        values: (n,) of any dtype.
        kind: As of `converted`.
        way: As of `converted`.

    Returns:
        (n,) float64, NaN where missing; None of an array of another type.
    """
    if kind == "date" and values.dtype.kind == "M":
        return days_of(values)
    if kind != "numerical" or values.dtype.kind not in "fiub":
        return None
    numbers = values.astype("float64")
    for mark in (way or {}).get("missing", ()):
        with suppress(NotOfKind):  # of a mark that no number is written like
            numbers[numbers == number_of(mark, way)] = math.nan
    return numbers


def marks_of(way):
    """The declared spellings of a missing value, as `text_of` writes them."""
    return frozenset(text_of(mark, way) for mark in (way or {}).get("missing", ()))


_OF_KIND = {"numerical": number_of, "date": day_of, "categorical": text_of, "text": text_of, "identifier": text_of}


def converted(values, kind, way=None):
    """Brings the values of a column to its kind.

    Args:
        values: Plain values: of JSON, of a CSV (texts), or the elements of an array.
        kind: numerical, categorical, text, date or identifier.
        way: How they are written.

    Returns:
        The values (float, NaN where missing; or str, None where missing), and index to the rule that is broken of
        those that are not of the kind; in the place of these there is a missing value.
    """
    to, missing = _OF_KIND[kind], math.nan if kind in ("numerical", "date") else None
    marks, found, faults = marks_of(way), [], {}
    known: dict = {}
    for row, value in enumerate(values):
        text = type(value) is str
        if text and value in known:  # most columns of texts repeat themselves
            found.append(known[value])
            continue
        try:
            new = missing if is_missing(value) or (marks and _marked(value, marks, way)) else to(value, way)
        except NotOfKind as bad:
            new, faults[row] = missing, str(bad)
        else:
            if text and len(known) < _KNOWN:
                known[value] = new
        found.append(new)
    return found, faults


def _marked(value, marks, way):
    try:
        return text_of(value.strip() if isinstance(value, str) else value, way) in marks
    except NotOfKind:
        return False
