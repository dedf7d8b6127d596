"""The kind of each column, and why."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from components.common.inference.arrow_values import of_kind
from components.common.inference.values import FALSE, TRUE, text_of
from tabpipe.draft import dates, names, numbers
from tabpipe.draft.markers import sentinel, spellings, symbols_in

if TYPE_CHECKING:
    from tabpipe.draft.profile import Profile

_FEW, _FEW_SHARE = 30, 0.02
"""A column of texts with at most this many different ones, or this share of its rows, is categorical."""
_MOST = 1000
"""Of more different texts only short ones are categories, which stand so often on average:"""
_REPEATS = 3
_CODES = 10
"""At most so many different whole numbers may be codes of categories: the reader is told."""
_LEAST = 10
"""Of a table that has more rows, a column with fewer values is left out: training may meet none of them."""
COUNTS_ROWS = "it counts the rows"
_SMALL = 200
"""Rows of a table that is too small to learn from texts that all differ."""


def decide_kind(column: Profile, delimiter: str, is_target: bool) -> None:
    """Decide on the kind of a column, and on how its values are written.

    Args:
        column: The column; the decision is noted in it.
        delimiter: What separates the fields of the table.
        is_target: Whether it is to be predicted: then it is never left out, nor an identifier.
    """
    import pyarrow as pa

    types, of = pa.types, column.values.type
    if not is_target and nothing_in_it(column):
        return
    if of_kind(column.values, "text").faults:
        column.leave_out("bytes that are no text")
    elif types.is_duration(of) or types.is_time(of):
        column.leave_out(f"{column.example()!r} and the like are no dates: write them as a number, such as seconds")
    elif types.is_boolean(of):
        column.decided("categorical", "true or false")
    elif types.is_timestamp(of) or types.is_date(of):
        column.decided("date", "the table says so")
    elif types.is_integer(of) or types.is_floating(of) or types.is_decimal(of):
        _of_numbers(column, is_target)
    else:
        _of_texts(column, delimiter, is_target)


def nothing_in_it(column: Profile) -> bool:
    """Leave a column out that has nothing to learn from, as far as it is known; return whether it is."""
    if not column.given:
        column.leave_out("every value is missing")
    elif column.distinct == 1 and not column.missing and column.rows > 1:
        column.leave_out(f"every value is {column.example()!r}")
    elif column.given < _LEAST and column.given < column.rows / 2:
        column.leave_out(f"only {column.given} of {column.rows:,} values are there")
    return bool(column.left_out)


def _of_numbers(column: Profile, is_target: bool) -> None:
    """Decide on a column of numbers; its way is known."""
    values = of_kind(column.values, "numerical", column.way).values
    given = values.is_valid().to_numpy(zero_copy_only=False)
    found = values.drop_null().to_numpy(zero_copy_only=False).astype("float64")
    infinite = np.isinf(found)
    if infinite.any():
        texts = [str(text) for text in column.counts if "inf" in str(text).lower()]
        column.way["missing"] = spellings([*column.way.get("missing", []), *texts])
        column.notes.append(f"{infinite.mean():.1%} of the numbers are infinite, which no model takes: read as missing")
        given[np.flatnonzero(given)[infinite]] = False
        found = found[~infinite]
    whole = bool(len(found)) and bool((found == np.floor(found)).all())
    if is_target:
        column.decided("numerical", "numbers")
    elif whole and _compact_dates(column, found):
        column.decided("date", "days written like 20240531", way={**column.way, "format": "%Y%m%d"})
    elif whole and not column.missing and _counts_rows(column, found, column.numbers[given]):
        column.decided("identifier", COUNTS_ROWS)
    elif names.is_id(column.name) and whole and column.distinct > _FEW:
        column.decided("identifier", "by its name")
    elif names.ends_like_id(column.name) and whole and column.once and column.rows > _FEW and found.min() >= 0:
        column.decided("identifier", "by its name, and no value stands twice")
    elif whole and column.distinct <= _FEW and (names.is_id(column.name) or names.is_code(column.name)):
        column.decided("categorical", f"by its name, {column.distinct} codes")
    else:
        few = _few_numbers(found) if whole and column.distinct <= _FEW else ""
        unique = "whole numbers that differ, but count no rows" if whole and column.once else ""
        column.decided("numerical", few or unique or ("whole numbers" if whole else "numbers"))
        if apart := sentinel(found):
            column.sentinel = apart
            column.notes.append(f"{apart[1]:.1%} are {text_of(apart[0])}, far from all others: does it mean missing?")


def _few_numbers(found: np.ndarray) -> str:
    values = [text_of(number) for number in np.unique(found)]
    if len(values) <= 3:
        return f"whole numbers: {', '.join(values)}"
    codes = "; categorical if they are codes" if len(values) <= _CODES else ""
    return f"{len(values)} whole numbers, {values[0]} to {values[-1]}, in their order{codes}"


def _counts_rows(column: Profile, found: np.ndarray, numbers: np.ndarray) -> bool:
    """Whether the values are 0, 1, 2, … or 1, 2, 3, …, in any order, in a column that is not the name of a time."""
    if not column.once or len(found) < 3 or (names.has(column.name, "time") and column.rows < _SMALL):
        return False
    first = found - numbers
    in_order = bool((first == first[0]).all()) and (first[0] in (0, 1) or names.is_index(column.name))
    low, high = found.min(), found.max()
    shuffled = low in (0, 1) and high - low + 1 == column.rows and len(found) == column.rows
    return in_order or shuffled


def _compact_dates(column: Profile, found: np.ndarray) -> bool:
    return names.has(column.name, "time") and dates.compact([text_of(number) for number in np.unique(found)[:500]])


def _of_texts(column: Profile, delimiter: str, is_target: bool) -> None:
    """Decide on a column of texts, which may be numbers or dates."""
    if not is_target and _plain_numbers(column):
        _of_numbers(column, is_target)
        return
    counts = {str(text): count for text, count in column.counts.items()}
    if {text.strip() for text in counts} <= {*TRUE, *FALSE}:
        column.decided("categorical", "true or false")
        return
    if found := numbers.written(counts, delimiter):
        if is_target and any(not text.strip() for text in counts):
            found.marks.append("")  # of numbers a blank is missing anyway, but they may turn out to be labels
        if found.marks:
            column.way["missing"] = found.marks
            column.notes.append(f"{_listed(found.marks)} among numbers: read as missing")
        if not found.way and numbers.is_code(counts) and not (is_target and column.distinct > _FEW):
            _of_codes(column, is_target)
            return
        column.way |= found.way
        if found.said:
            column.notes.append(f"numbers written as text, like {column.example()!r}: {found.said}")
        if found.other:
            column.other_way = {**{k: v for k, v in column.way.items() if k == "missing"}, **found.other}
            column.ambiguous(_ambiguous_number(column))
        _of_numbers(column, is_target)
        return
    in_order = [text for text in column.values[:2000].to_pylist() if text]
    if moments := dates.dated(counts, [str(text) for text in in_order]):
        column.way |= moments.way | ({"missing": moments.marks} if moments.marks else {})
        column.decided("date", f"dates like {column.example()!r}")
        if moments.other:
            column.other_way = {**column.way, "format": moments.other}
            column.ambiguous(f"{column.example()!r} is read by {moments.format}; every value fits {moments.other} too")
        return
    decide_words(column, is_target)
    if column.kind == "categorical" and column.distinct <= _MOST and (symbols := symbols_in(counts)):
        column.way["missing"] = symbols  # in free texts they may be anything: there is a song that is called "?"
        column.notes.append(f"{_listed(symbols)} is read as missing")


def _plain_numbers(column: Profile) -> bool:
    """Whether all texts are numbers as usual: told at once, since most columns are such."""
    import pyarrow.compute as pc

    given = column.values.drop_null()
    if any(len(part) == 0 or of_kind(part, "numerical").faults for part in (given[:20], given)):
        return False
    return not pc.any(pc.match_substring_regex(given, r"^\s*([+-]?0[0-9]+|[0-9]{16,}|[tTfF].*)\s*$")).as_py()


def _ambiguous_number(column: Profile) -> str:
    if "thousands" in column.way:
        return 'every comma is followed by three digits: if it stands before decimals, write decimal: ","'
    return 'every comma is followed by three digits: if it groups them, write thousands: ","'


def _of_codes(column: Profile, is_target: bool) -> None:
    if column.once and not is_target:
        column.decided("identifier", "codes that all differ")
    else:
        column.decided("categorical", "codes: some start with a zero, or are too long for a number")


def decide_words(column: Profile, is_target: bool) -> None:
    """Decide on a column of texts that are neither numbers nor dates."""
    if is_target:
        column.decided("categorical", "texts")
        return
    counts = {str(text): count for text, count in column.counts.items()}
    total = sum(counts.values())
    lengths = sum(len(text.split()) * count for text, count in counts.items()) / total
    named = names.is_id(column.name)
    readable = sum(count for text, count in counts.items() if re.search(r"\w\w", text)) / total
    if named and column.distinct > _FEW:
        column.decided("identifier", "by its name")
    elif column.distinct <= max(_FEW, min(_FEW_SHARE * column.given, _MOST)) and not (
        column.once and column.given >= 10
    ):
        column.decided("categorical", f"{column.distinct} different texts")
    elif column.once and (column.rows < _SMALL or lengths < 1.5 or _keys(counts) or names.is_index(column.name)):
        column.decided("identifier", "texts that all differ")
    elif (column.given / column.distinct >= _REPEATS and lengths < _REPEATS) or readable < 0.5:
        column.decided("categorical", f"{column.distinct:,} texts that repeat")
    else:
        column.decided("text", "texts that differ" if column.once else f"{column.distinct:,} different texts")


def _keys(counts: dict[str, int]) -> bool:
    """Whether texts are addresses of the web, of mail, or digests: they name one thing each and say nothing of it."""
    key = re.compile(r"https?://\S+|\S+@\S+\.\S+|[0-9a-fA-F-]{16,}")
    some = list(counts)[:100]
    return sum(key.fullmatch(text.strip()) is not None for text in some) > 0.9 * len(some)


def _listed(texts: list[str]) -> str:
    return ", ".join(repr(text) for text in texts)
