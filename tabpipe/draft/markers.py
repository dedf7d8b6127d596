"""Values that stand for a missing one: texts such as "?", and numbers such as -999 that stand apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from tabpipe.draft.names import WORDS

SYMBOLS = frozenset(WORDS["missing"]["symbols"])
"""Texts that are no value of any column."""
_WORDS = frozenset(WORDS["missing"]["words"])
_LEAST_ROWS, _LEAST_SHARE, _LEAST_OTHERS = 3, 0.005, 5


def is_marker(text: str) -> bool:
    """Whether a text stands for a missing number or date."""
    bare = text.strip()
    return not bare or bare in SYMBOLS or bare.lower() in _WORDS


def spellings(texts: Iterable[str]) -> list[str]:
    """Return texts as `download.missing` takes them: without spaces around them, each once, none blank."""
    return sorted({text.strip() for text in texts} - {""})


def symbols_in(counts: Mapping[str, int]) -> list[str]:
    """Return the texts of a column, whatever its kind, that stand for a missing value."""
    blank = [""] * any(not text.strip() for text in counts)
    return blank + spellings(text for text in counts if text.strip() in SYMBOLS)


def sentinel(numbers: np.ndarray) -> tuple[float, float] | None:
    """Find a number that stands apart from all others and may stand for a missing value.

    Args:
        numbers: (n,) a column's numbers, without missing ones.

    Returns:
        The number and its share; None where there is none.
    """
    if len(numbers) < 20:
        return None
    low, high = float(numbers.min()), float(numbers.max())
    for value in (low, high):
        same = numbers == value
        share, others = float(same.mean()), numbers[~same]
        known = value in WORDS["missing"]["numbers"] and same.sum() >= _LEAST_ROWS
        if known and share >= _LEAST_SHARE and len(np.unique(others)) > _LEAST_OTHERS:
            span, gap = float(np.ptp(others)), float(np.abs(others - value).min())
            lone = value == -1 and others.min() >= 0 and span > 2 * _LEAST_OTHERS
            if lone or (abs(value) > 1 and gap > span / 2):
                return value, share
    return None
