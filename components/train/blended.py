"""The parts of a model that `train.model: auto` chooses which scikit-learn does not have.

This file travels inside models as its text, as `transformers` does and under the same rule.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone

from components.train.transformers import Wrapped, of_one_thread


class LogTarget(RegressorMixin, Wrapped):
    """A regressor that learns the logarithm of 1 + a target of at least 0, and answers within what it has seen."""

    def fit(self, X, y):
        """Fits on (rows, features) and (rows,) numbers of at least 0."""
        logarithms = np.log1p(y)
        self.low_, self.high_ = float(logarithms.min()), float(logarithms.max())
        return self._fit(X, logarithms)

    def predict(self, X):
        """Returns (rows,) float64."""
        return np.expm1(np.clip(self.estimator_.predict(X), self.low_, self.high_))


class Blended(BaseEstimator):
    """Several estimators, each with features of its own, and the weighted mean of their answers.

    Args:
        members: (name, first feature, feature after the last, estimator) each.
        weights: Their weights; the sum is 1.
    """

    def __init__(self, members, weights):
        self.members = members
        self.weights = weights

    def _fit(self, X, y):
        self.fitted_ = [
            of_one_thread(clone(estimator).fit(X[:, first:end], y)) for _, first, end, estimator in self.members
        ]
        return self

    def _mean(self, method, X):
        total = 0.0
        for (_, first, end, _), weight, fitted in zip(self.members, self.weights, self.fitted_, strict=True):
            total = total + weight * getattr(fitted, method)(X[:, first:end])
        return total

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class BlendedClassifier(ClassifierMixin, Blended):
    """The weighted mean of probabilities."""

    def fit(self, X, y):
        """Fits on (rows, features) and (rows,) names of classes."""
        self.classes_ = np.unique(y)
        return self._fit(X, y)

    def predict_proba(self, X):
        """Returns (rows, classes)."""
        return self._mean("predict_proba", X)

    def predict(self, X):
        """Returns (rows,) names of classes."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class BlendedRegressor(RegressorMixin, Blended):
    """The weighted mean of numbers."""

    def fit(self, X, y):
        """Fits on (rows, features) and (rows,) numbers."""
        return self._fit(X, y)

    def predict(self, X):
        """Returns (rows,) float64."""
        return self._mean("predict", X)
