"""What the saved model does with the columns that it is asked with, before scikit-learn's own steps, and around them.

This file travels inside every model as its text (see `shipped`), so that a model loads where this project is not
installed. It may therefore import nothing of the project but `inference.values`, which travels with it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, TransformerMixin, clone

from components.common.inference.values import converted, date_parts, of_array


class Columns(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Takes the raw columns, gives each the type of its kind, and derives columns from them.

    A derived column that is among those asked with is ignored and made anew.

    Args:
        kinds: Raw column to numerical, categorical, text or date.
        use: The columns handed on, raw and derived ones, in this order.
        derive: Derived column to its way: a dict with `join` (a list of columns) and `separator`, or `ratio` or
            `difference` (two columns each).
        optional: Raw columns that may be absent; all their values then are missing.
        fill: Raw column to the constant that stands in for its missing values, of the column's kind.
        ways: Raw column to how its values are written, where that is not the usual one.
    """

    def __init__(self, kinds, use, derive=None, optional=(), fill=None, ways=None):
        self.kinds = kinds
        self.use = use
        self.derive = derive
        self.optional = optional
        self.fill = fill
        self.ways = ways

    def fit(self, X, y=None):
        """Learns nothing."""
        return self

    def transform(self, X):
        """Makes the table of features' columns.

        Args:
            X: A table with the raw columns, in any order, further ones ignored.

        Returns:
            A table of float64 (numerical; dates as days since 1970) and object columns (str; a missing category is NaN,
            a missing text empty).

        Raises:
            ValueError: A column that is not optional is absent, or a value is not of its column's kind.
        """
        absent = [name for name in self.kinds if name not in X.columns and name not in self.optional]
        if absent:
            raise ValueError(f"missing column(s): {', '.join(absent)}")
        columns = {}
        for name, kind in self.kinds.items():
            values = X[name] if name in X.columns else pd.Series(np.nan, X.index)
            columns[name] = _typed(name, values, kind, (self.ways or {}).get(name), (self.fill or {}).get(name))
        for name, way in (self.derive or {}).items():
            columns[name] = _derived(way, columns)
        return pd.DataFrame({name: pd.Series(columns[name], dtype=columns[name].dtype) for name in self.use})

    def __sklearn_is_fitted__(self):
        return True


class Dates(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):  # type: ignore[call-arg]
    """Days from each date to the latest one that was seen in fit, and the parts of the date that varied there.

    Args:
        parts: Whether year, month, weekday and hour are made too.
        fill: Whether the median of each feature stands in where a date is missing; else it stays NaN.
    """

    def __init__(self, parts=True, fill=True):
        self.parts = parts
        self.fill = fill

    def fit(self, X, y=None):
        """Learns the latest date, the parts and the medians of each column of X: (n, columns) days since 1970."""
        days = np.asarray(X, dtype="float64")
        self.latest_ = np.nanmax(days, axis=0)
        self.parts_ = [
            [name for name, part in date_parts(column).items() if self.parts and np.nanmin(part) < np.nanmax(part)]
            for column in days.T
        ]
        self.median_ = np.nanmedian(self._features(days), axis=0)
        return self

    def transform(self, X):
        """Returns (n, features): of each column the days before the latest, negative for later ones, and its parts."""
        features = self._features(np.asarray(X, dtype="float64"))
        return np.where(np.isnan(features), self.median_, features) if self.fill else features

    def _features(self, days):
        columns = []
        for column, latest, parts in zip(days.T, self.latest_, self.parts_, strict=True):
            found = date_parts(column)
            columns += [latest - column, *(found[name] for name in parts)]
        return np.column_stack(columns)


def of_one_thread(estimator):
    """Lets a fitted estimator answer by one thread, as whoever asks shares the rows among threads; returns it."""
    if estimator.get_params(deep=False).get("n_jobs") is not None:
        estimator.set_params(n_jobs=1)
    return estimator


class Wrapped(BaseEstimator):
    """An estimator of another library, or for another form of the target, that answers as scikit-learn's do.

    Args:
        estimator: The one inside. It is asked by one thread, as whoever asks shares the rows among threads.
    """

    def __init__(self, estimator):
        self.estimator = estimator

    def _unfitted(self, width):
        """The estimator to fit, and what its fit is told besides."""
        return clone(self.estimator), {}

    def _fit(self, X, y):
        estimator, more = self._unfitted(X.shape[1])
        self.estimator_ = estimator.fit(X, y, **more)
        if "n_jobs" in self.estimator_.get_params(deep=False):
            self.estimator_.set_params(n_jobs=1)
        self._asked = {}
        if hasattr(self.estimator_, "get_metadata"):  # CatBoost, which notes when it was and a random id
            self._asked = {"thread_count": 1}
            for key in ("train_finish_time", "model_guid"):
                self.estimator_.get_metadata()[key] = ""
        return self

    @property
    def feature_importances_(self):
        """(features,) what the one inside says."""
        return self.estimator_.feature_importances_

    def __sklearn_tags__(self):
        tags, inside = super().__sklearn_tags__(), self.estimator.__sklearn_tags__().input_tags
        tags.input_tags.sparse, tags.input_tags.allow_nan = inside.sparse, inside.allow_nan
        return tags


class NamedClasses(ClassifierMixin, Wrapped):
    """A classifier whose library wants classes numbered, or gives them back in a form of its own."""

    def fit(self, X, y):
        """Fits on (rows, features) and (rows,) names of classes."""
        self.classes_, numbers = np.unique(y, return_inverse=True)
        return self._fit(X, numbers)

    def predict_proba(self, X):
        """Returns (rows, classes) float64."""
        return np.asarray(self.estimator_.predict_proba(X, **self._asked), dtype="float64")

    def predict(self, X):
        """Returns (rows,) names of classes."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Numbers(RegressorMixin, Wrapped):
    """A regressor whose library does not tell regressors from classifiers as scikit-learn does."""

    def fit(self, X, y):
        """Fits on (rows, features) and (rows,) numbers."""
        return self._fit(X, y)

    def predict(self, X):
        """Returns (rows,) float64."""
        return np.asarray(self.estimator_.predict(X, **self._asked), dtype="float64")


class TakesCategories:
    """An estimator inside that splits by sets of categories: LightGBM's or XGBoost's.

    Args:
        estimator: The one inside.
        categorical_features: The places of the features that are categories, as numbers from 0.
    """

    def __init__(self, estimator, categorical_features=None):
        self.estimator = estimator
        self.categorical_features = categorical_features

    def _unfitted(self, width):
        estimator = clone(self.estimator)
        if not self.categorical_features:
            return estimator, {}
        if "feature_types" not in estimator.get_params(deep=False):
            return estimator, {"categorical_feature": list(self.categorical_features)}
        kinds = ["c" if at in self.categorical_features else "q" for at in range(width)]
        return estimator.set_params(enable_categorical=True, feature_types=kinds), {}


class CategoriesToClasses(TakesCategories, NamedClasses):
    """Such a classifier."""


class CategoriesToNumbers(TakesCategories, Numbers):
    """Such a regressor."""


class ScaledTarget(RegressorMixin, Wrapped):
    """A regressor that learns a target of mean 0 and variance 1, for one that hardly learns others."""

    def fit(self, X, y):
        """Fits on (rows, features) and (rows,) numbers."""
        self.mean_, self.scale_ = float(np.mean(y)), float(np.std(y)) or 1.0
        return self._fit(X, (y - self.mean_) / self.scale_)

    def predict(self, X):
        """Returns (rows,) float64."""
        return self.estimator_.predict(X) * self.scale_ + self.mean_


def _typed(name, values, kind, way, fill):
    """(n,) float64 of numbers and dates (days since 1970), else object: strings, NaN (of texts: "") where missing.

    Raises:
        ValueError: A value is not of the column's kind.
    """
    values = values.to_numpy()
    found = of_array(values, kind, way)
    if found is None:
        found, faults = converted(list(values), kind, way)
        if faults:
            row, rule = next(iter(faults.items()))
            raise ValueError(f"column {name} ({kind}): {values[row]!r} is not accepted: {rule}")
        if kind in ("numerical", "date"):
            found = np.array(found, dtype="float64")
        else:
            fill = ("" if kind == "text" else np.nan) if fill is None else fill
            return np.array([fill if value is None else value for value in found], dtype=object)
    return found if fill is None else np.where(np.isnan(found), fill, found)


def _derived(way, columns):
    """One derived column: joined texts, or a ratio (missing where divided by 0) or difference of numbers."""
    if way.get("join"):
        parts = [[v if isinstance(v, str) else "" for v in columns[name]] for name in way["join"]]
        return np.array([way["separator"].join(values) for values in zip(*parts, strict=True)], dtype=object)
    first, second = (columns[name] for name in way.get("ratio") or way["difference"])
    if way.get("difference"):
        return first - second
    return np.divide(first, second, out=np.full(len(first), np.nan), where=second != 0)
