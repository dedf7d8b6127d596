"""What training made, for its report and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.baseline import Baseline
from components.common.metrics.scores import Scores
from components.train.features import Plan
from components.train.importance import Importance

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Trained:
    """A fitted model and what is to be told about it."""

    pipeline: Pipeline
    plan: Plan
    optional: frozenset[str]
    """Raw columns that a request may leave out or missing."""
    complete: tuple[str, ...]
    """Raw columns that no row of the training split misses."""
    truth: np.ndarray
    """(rows,) labels or values of the validation split."""
    answers: Answers
    """The model's answers to it."""
    scores: Scores
    baseline: Baseline
    """What guessing is made of."""
    importance: Importance
    width: dict[str, int]
    """Column to the number of features made of it."""
    rows: tuple[int, int]
    """Rows of the training and the validation split."""
    intervals: dict[str, Any] | None = None
    """What `Intervals` takes; None where none are asked for."""
