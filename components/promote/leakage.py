"""The rows of a table that a model was not trained on, told by what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def untouched_rows(test: pd.DataFrame, seen: Sequence[pd.DataFrame]) -> np.ndarray:
    """Finds the rows that are in none of the tables.

    Two rows are the same where they agree in all columns that both tables have; a missing value equals a missing value,
    1 equals 1.0, and dates equal their text.

    Args:
        test: The rows to look at.
        seen: The tables to look in.

    Returns:
        (rows,) whether a row is in none of them.
    """
    fresh = np.ones(len(test), dtype=bool)
    for table in seen:
        common = [name for name in test.columns if name in table.columns]
        if common and len(table):
            mine, theirs = _digests(test, table, common)
            fresh &= ~np.isin(mine, theirs)
    return fresh


def _digests(one: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) a 64-bit hash of each row of both tables."""
    import pandas as pd

    pairs = [_alike(one[name], other[name]) for name in columns]
    return tuple(
        pd.util.hash_pandas_object(pd.DataFrame(dict(enumerate(side))), index=False).to_numpy()
        for side in zip(*pairs, strict=True)
    )


def _alike(one: pd.Series, other: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Both columns in one type: as floats where both are numbers, else as text."""
    from pandas.api.types import is_numeric_dtype

    numbers = is_numeric_dtype(one.dtype) and is_numeric_dtype(other.dtype)
    return (_numbers(one), _numbers(other)) if numbers else (_texts(one), _texts(other))


def _numbers(values: pd.Series) -> np.ndarray:
    found = values.to_numpy(dtype="float64", na_value=np.nan) + 0.0  # -0.0 has other bits than 0.0
    found[np.isnan(found)] = np.nan  # and so may one NaN than another
    return found


def _texts(values: pd.Series) -> np.ndarray:
    """(rows,) strings, None where missing; whole numbers without a decimal point."""
    plain = values.astype(object)
    return np.array([None if gone else _text(v) for v, gone in zip(plain, plain.isna(), strict=True)], dtype=object)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
