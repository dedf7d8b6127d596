"""Whether a column's values are of its declared kind."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pandas.api import types

from components.common.config.base import Kind

EXPECTED: dict[Kind, str] = {
    "numerical": "numbers",
    "categorical": "text, whole numbers or true/false",
    "text": "text",
    "date": "dates",
    "identifier": "text, numbers or dates",
}
"""Kind to the values that it may have, in words."""


def fits(series: pd.Series, kind: Kind) -> tuple[bool, np.ndarray]:
    """Whether a column is of its kind.

    Args:
        series: The column, missing values allowed.
        kind: Its declared kind.

    Returns:
        The verdict, and (n,) which rows speak against it: the single values that do where they can be told, else all.
    """
    dtype = series.dtype
    given = series.notna().to_numpy()
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if types.is_object_dtype(dtype):
        allowed = {"numerical": (), "date": (), "text": (str,)}.get(kind, (str, int))
        bad = np.fromiter((not isinstance(value, allowed) for value in series), bool, len(series)) & given
        return not bad.any(), bad
    is_text = isinstance(dtype, pd.StringDtype)
    if kind == "numerical" and is_text:
        # The culprits are the texts that are no number; where there is none, all are numbers written as text.
        culprits = pd.to_numeric(series, errors="coerce").isna().to_numpy() & given
        return False, culprits if culprits.any() else given
    is_number = types.is_numeric_dtype(dtype) and not types.is_complex_dtype(dtype)
    is_date = types.is_datetime64_any_dtype(dtype)
    good = {
        "numerical": is_number,
        "categorical": is_text or is_number,
        "text": is_text,
        "date": is_date,
        "identifier": is_text or is_number or is_date,
    }[kind]
    return good, given


def words_of_type(series: pd.Series) -> str:
    """What a column holds, in words."""
    dtype = series.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if types.is_object_dtype(dtype):
        names = sorted({type(value).__name__ for value in series.dropna().head(1000)})
        return "values of type " + ", ".join(names) if names else "nothing"
    if isinstance(dtype, pd.StringDtype):
        return "text"
    if types.is_bool_dtype(dtype):
        return "true/false"
    if types.is_integer_dtype(dtype):
        return "whole numbers"
    if types.is_numeric_dtype(dtype):
        return "numbers"
    return "dates" if types.is_datetime64_any_dtype(dtype) else str(dtype)
