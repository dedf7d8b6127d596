"""Asking a model for its answers: fast, and the same to the last digit each time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 1024
"""Rows asked at once. It is fixed, since a sum of products may depend on the number of rows beside it."""


@dataclass(frozen=True)
class Answers:
    """What a model says of rows."""

    predicted: np.ndarray
    """(rows,) class labels, or numbers in the target's unit."""
    probabilities: np.ndarray | None = None
    """(rows, classes) in the order of the model's classes; None of a regressor or where the model has none."""


def classes_of(estimator: Any) -> list[str] | None:
    """A classifier's classes in the order of its probabilities; None of a regressor."""
    classes = getattr(estimator, "classes_", None)
    return None if classes is None else [str(name) for name in classes]


def unwrapped(estimator: Any) -> Any:
    """The estimator inside one of the wrappers that training puts around some; any other one as it is.

    They travel in the model by value, so they are told by the attribute that they note their arguments in.
    """
    return estimator.estimator_ if hasattr(estimator, "_asked") else estimator


def answers(estimator: Any, features: Any) -> Answers:
    """Asks a fitted estimator.

    Forests with several jobs add up their trees in the order in which threads end. Here each row is answered by one
    thread, and threads share the rows, so the same rows get the same answers.

    Args:
        estimator: A fitted scikit-learn estimator whose n_jobs, if it has one, is 1.
        features: (rows, features) what it was fitted on, dense or sparse by rows.
    """
    if hasattr(estimator, "classes_"):
        if hasattr(estimator, "predict_proba"):
            probabilities = _chunked(estimator.predict_proba, features)
            return Answers(estimator.classes_[probabilities.argmax(axis=1)], probabilities)
        return Answers(_chunked(estimator.predict, features))
    return Answers(np.asarray(_chunked(estimator.predict, features), dtype="float64"))


def ask(pipeline: Any, table: pd.DataFrame) -> Answers:
    """Asks a saved model, a scikit-learn Pipeline whose last step is the estimator.

    Args:
        pipeline: The model as it was loaded.
        table: A table with the columns of the model's signature.
    """
    return answers(pipeline[-1], pipeline[:-1].transform(table))


def _chunked(function: Any, features: Any) -> np.ndarray:
    rows = features.shape[0]
    parts = [features[first : first + _CHUNK] for first in range(0, rows, _CHUNK)]
    if len(parts) == 1:
        return np.asarray(function(features))
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        return np.concatenate(list(pool.map(function, parts)))
