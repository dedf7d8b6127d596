"""The target of a split, checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal, nearest

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.base import Task


def target_values(table: pd.DataFrame, target: str, task: Task, where: str) -> np.ndarray:
    """The true labels or values of a table.

    Args:
        table: A split.
        target: The target column.
        task: classification or regression.
        where: What to call the table in an error.

    Returns:
        (rows,) labels as strings, or float64.

    Raises:
        Refusal: No rows, no such column, a missing value, or, in regression, one that is no finite number.
    """
    if target not in table.columns:
        raise Refusal("the target is missing", where=where, value=target, mend=nearest(target, table.columns))
    if not len(table):
        raise Refusal("no rows", where=where, rule="at least one row")
    values = table[target]
    if empty := int(values.isna().sum()):
        raise Refusal(
            f"the target is missing in {empty:,} of {len(values):,} rows",
            where=f"{where}, column {target}",
            mend="set preprocess.drop_missing_target: true",
        )
    if task == "classification":
        return as_labels(values)
    if values.dtype.kind not in "iufb":
        raise Refusal(
            "the target of a regression is no number",
            where=f"{where}, column {target}",
            value=values.iloc[0],
            mend="declare it numerical, or set task: classification",
        )
    numbers = values.to_numpy(dtype="float64")
    if not np.isfinite(numbers).all():
        raise Refusal(
            "the target is infinite in some rows",
            where=f"{where}, column {target}",
            rule="finite numbers",
            mend="bound it under preprocess.bounds",
        )
    return numbers


def as_labels(values: pd.Series) -> np.ndarray:
    """(rows,) class labels as strings; whole numbers without a decimal point.

    Args:
        values: A target without missing values.
    """
    if values.dtype.kind == "f" and (values == values.round()).all():
        values = values.astype("int64")
    found = values.to_numpy(dtype=object)
    return found if all(isinstance(v, str) for v in found) else np.array([str(v) for v in found], dtype=object)
