"""What the saved model does with the columns that it is asked with, before scikit-learn's own steps.

This file travels inside every model as its text (see `shipped`), so that a model loads where this project is not
installed. It may therefore import nothing of the project.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin


class Columns(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Takes the raw columns, gives each the type of its kind, and derives columns from them.

    A derived column that is among those asked with is ignored and made anew.

    Args:
        kinds: Raw column to numerical, categorical, text or date.
        use: The columns handed on, raw and derived ones, in this order.
        derive: Derived column to its way: a dict with `join` (a list of columns) and `separator`, or `ratio` or
            `difference` (two columns each).
        optional: Raw columns that may be absent; all their values then are missing.
        fill: Raw column to the constant that stands in for its missing values.
    """

    def __init__(self, kinds, use, derive=None, optional=(), fill=None):
        self.kinds = kinds
        self.use = use
        self.derive = derive
        self.optional = optional
        self.fill = fill

    def fit(self, X, y=None):
        """Learns nothing."""
        return self

    def transform(self, X):
        """Makes the table of features' columns.

        Args:
            X: A table with the raw columns, in any order, further ones ignored.

        Returns:
            A table of float64 (numerical; dates as days since 1970) and object columns (str, NaN where missing).

        Raises:
            ValueError: A column that is not optional is absent, or a value is not of its column's kind.
        """
        absent = [name for name in self.kinds if name not in X.columns and name not in self.optional]
        if absent:
            raise ValueError(f"missing column(s): {', '.join(absent)}")
        fill, columns = self.fill or {}, {}
        for name, kind in self.kinds.items():
            values = X[name] if name in X.columns else pd.Series(np.nan, X.index)
            if name in fill:
                values = values.astype(object).where(values.notna(), fill[name])
            try:
                columns[name] = _TYPED[kind](values)
            except (ValueError, TypeError) as error:
                raise ValueError(f"column {name} ({kind}): {error}") from error
        for name, way in (self.derive or {}).items():
            columns[name] = _derived(way, columns)
        return pd.DataFrame({name: pd.Series(columns[name], dtype=columns[name].dtype) for name in self.use})

    def __sklearn_is_fitted__(self):
        return True


class DaysBeforeLatest(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """Days from each date to the latest one that was seen in fit; the median where a date is missing."""

    def fit(self, X, y=None):
        """Learns the latest date and the median of each column of X: (n, columns) days since 1970."""
        days = np.asarray(X, dtype="float64")
        self.latest_ = np.nanmax(days, axis=0)
        self.median_ = np.nanmedian(self.latest_ - days, axis=0)
        return self

    def transform(self, X):
        """Returns (n, columns) days before the latest training date, negative for later ones."""
        before = self.latest_ - np.asarray(X, dtype="float64")
        return np.where(np.isnan(before), self.median_, before)


def _numbers(values):
    return pd.to_numeric(values).to_numpy(dtype="float64", na_value=np.nan)


def _strings(values):
    """(n,) object: strings, NaN where missing; other values as they are written (3 for 3.0, true for True)."""
    found = values.to_numpy(dtype=object, na_value=np.nan)
    return np.array([v if isinstance(v, str) else np.nan if v != v else _written(v) for v in found], dtype=object)


def _written(value):
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, (float, np.floating)) and value == int(value) else str(value)


def _texts(values):
    found = _strings(values)
    found[[not isinstance(v, str) for v in found]] = ""
    return found


def _days(values):
    """(n,) days since 1970 in UTC, of datetimes or ISO 8601 strings; NaN where missing."""
    if not isinstance(values.dtype, np.dtype) or values.dtype.kind != "M":
        values = pd.to_datetime(values, format="ISO8601", utc=True).dt.tz_localize(None)
    stamps = values.to_numpy().astype("datetime64[us]")
    return np.where(np.isnat(stamps), np.nan, stamps.astype("int64") / 86_400_000_000)


_TYPED = {"numerical": _numbers, "categorical": _strings, "text": _texts, "date": _days}


def _derived(way, columns):
    """One derived column: joined texts, or a ratio (missing where divided by 0) or difference of numbers."""
    if way.get("join"):
        parts = [[v if isinstance(v, str) else "" for v in columns[name]] for name in way["join"]]
        return np.array([way["separator"].join(values) for values in zip(*parts, strict=True)], dtype=object)
    first, second = (columns[name] for name in way.get("ratio") or way["difference"])
    if way.get("difference"):
        return first - second
    return np.divide(first, second, out=np.full(len(first), np.nan), where=second != 0)
