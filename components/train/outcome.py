"""What training made, for its report and its files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.sklearn_predict import Answers, classes_of
from components.common.metrics.baseline import Baseline
from components.common.metrics.scores import Scores
from components.train.choice import Choice
from components.train.features import Plan
from components.train.importance import Importance

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Trained:
    """A fitted model and what is to be told about it."""

    pipeline: Pipeline
    """What is served: fitted on the training and the validation split together, unless `train.refit` is off."""
    scored: Pipeline
    """What the scores are of: fitted on the training split alone; `pipeline` itself where nothing was refitted."""
    choice: Choice | None
    """What `auto` has chosen, and from what; None of a named model."""
    plan: Plan
    optional: frozenset[str]
    """Raw columns that a request may leave out or missing."""
    complete: tuple[str, ...]
    """Raw columns that no row misses that the model learnt from."""
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

    @property
    def classes(self) -> list[str] | None:
        """A classifier's classes in the order of the probabilities of `answers`; None of a regressor."""
        return classes_of(self.scored[-1])
