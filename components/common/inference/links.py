"""How the sums of an estimator become its answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def _mean_of_classes(trees: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]:
    def finish(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        sums /= trees
        return sums.argmax(axis=1), sums

    return finish


def _mean_of_numbers(trees: int) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]:
    return lambda sums: (sums[:, 0] / trees, None)


def _identity(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    return raw[:, 0], None


def _exponential(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    return np.exp(raw[:, 0]), None


def within(low: float, high: float) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]:
    """From the logarithm of 1 + a number to the number, kept within the logarithms that training has seen."""
    return lambda raw: (np.expm1(np.clip(raw[:, 0], low, high)), None)


def _logistic(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Of two classes; the class is that of the sign, as scikit-learn's linear models have it."""
    score = raw[:, 0]
    # The sides apart, so that the exponential never overflows.
    small = np.exp(-np.abs(score))
    second = np.where(score >= 0, 1.0, small) / (1.0 + small)
    return (score > 0).astype(np.intp), np.stack([1.0 - second, second], axis=1)


def _softmax(raw: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    odds = np.exp(raw - raw.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    return odds.argmax(axis=1), odds


MEAN = {"classes": _mean_of_classes, "numbers": _mean_of_numbers}
LINKS = {"identity": _identity, "exponential": _exponential, "logistic": _logistic, "softmax": _softmax}
