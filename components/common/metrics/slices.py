"""The slices of a table: the rows of each value of a column."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal, nearest
from components.common.base.numbers import written

if TYPE_CHECKING:
    import pandas as pd

_MOST_VALUES = 20
"""Numbers of more values than this are cut into quarters."""


def parts_of(values: pd.Series) -> list[tuple[str, np.ndarray]]:
    """Cuts rows by the value of a column.

    Args:
        values: (rows,) the column; missing values make a part of their own, numbers of many values are cut at their
            quartiles.

    Returns:
        Name and places of the rows of each part.
    """
    import pandas as pd

    if values.dtype.kind in "iuf" and values.nunique() > _MOST_VALUES:
        codes, edges = pd.qcut(values, 4, labels=False, duplicates="drop", retbins=True)
        codes = codes.fillna(-1).to_numpy(dtype=int)
        names = [f"{written(low)} to {written(high)}" for low, high in itertools.pairwise(edges)]
    else:
        codes, names = pd.factorize(values, sort=True, use_na_sentinel=True)
    parts = [(str(name), np.flatnonzero(codes == at)) for at, name in enumerate(names)]
    missing = np.flatnonzero(codes == -1)
    return [*parts, ("(missing)", missing)] if len(missing) else parts


def refuse_unknown_slices(asked: list[str], table: pd.DataFrame, where: str) -> None:
    """Refuses a slice column that the table does not have."""
    for name in asked:
        if name not in table.columns:
            raise Refusal(
                "no such column to slice by",
                where="evaluate.slices",
                value=name,
                rule=f"a column of {where}",
                mend=nearest(name, table.columns),
            )
