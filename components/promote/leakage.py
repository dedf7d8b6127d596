"""The rows of a test split that a champion cannot have known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.segregate import SplitRule


@dataclass(frozen=True)
class SplitChange:
    """The split's rule when the champion was trained, and now; None where it is not on record."""

    before: SplitRule | None = None
    now: SplitRule | None = None

    @property
    def differs(self) -> bool:
        """Whether the rule is known to be another one."""
        return self.before is not None and self.now is not None and self.before != self.now

    @property
    def mixed(self) -> str:
        """Why the candidate itself knows its test rows, by what the champion's split kept apart; empty if not."""
        old, new = self.before, self.now
        if old is None or new is None or old.by == "shuffle" or (old.by, old.column) == (new.by, new.column):
            return ""
        way = "kept the rows of each {} together" if old.by == "group" else "tested on the latest rows by {}"
        return f"its split {way.format(old.column)}, this one does not, so the candidate may know its test rows"


def untouched_rows(test: pd.DataFrame, seen: Sequence[pd.DataFrame], rule: SplitRule | None = None) -> np.ndarray:
    """Finds the rows that nothing in some tables tells of.

    Two rows are the same where they agree in all columns that both tables have; a missing value equals a missing value,
    1 equals 1.0, and dates equal their text. Where the rows were split by groups, those of a group that is in the
    tables are known too; where by time, those that are no later than the tables' latest.

    Args:
        test: The rows to look at.
        seen: The tables to look in.
        rule: How the rows were split; by a shuffle if that is not known.

    Returns:
        (rows,) whether a row is new to all of them.
    """
    fresh = np.ones(len(test), dtype=bool)
    for table in seen:
        common = [name for name in test.columns if name in table.columns]
        if common and len(table):
            mine, theirs = _digests(test, table, common)
            fresh &= ~np.isin(mine, theirs)
            if rule is not None and rule.by != "shuffle" and rule.column in common:
                both = test[rule.column], table[rule.column]
                fresh &= ~np.isin(*_digests_of(*both)) if rule.by == "group" else _later(*both)
    return fresh


def _later(mine: pd.Series, theirs: pd.Series) -> np.ndarray:
    """(rows,) whether a time is later than all of the other column."""
    import pandas as pd
    from pandas.api.types import is_numeric_dtype

    if is_numeric_dtype(mine.dtype) and is_numeric_dtype(theirs.dtype):
        return (mine > theirs.max()).to_numpy(dtype=bool, na_value=False)
    times = [pd.to_datetime(one, utc=True, errors="coerce") for one in (mine, theirs)]
    return (times[0] > times[1].max()).to_numpy(dtype=bool)


def _digests(one: pd.DataFrame, other: pd.DataFrame, columns: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) a 64-bit hash of each row of both tables."""
    return _hashed([_alike(one[name], other[name]) for name in columns])


def _digests_of(one: pd.Series, other: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) a 64-bit hash of each value of both columns."""
    return _hashed([_alike(one, other)])


def _hashed(pairs: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd

    one, other = (
        pd.util.hash_pandas_object(pd.DataFrame(dict(enumerate(side))), index=False).to_numpy()
        for side in zip(*pairs, strict=True)
    )
    return one, other


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
