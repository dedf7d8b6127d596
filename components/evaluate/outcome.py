"""What evaluating found, for its report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import Scores
from components.evaluate.coverage import Coverage
from components.evaluate.slices import Slice


@dataclass(frozen=True)
class Evaluated:
    """What a model scores on the test split."""

    truth: np.ndarray
    """(rows,) labels or values."""
    answers: Answers
    classes: list[str] | None
    """A classifier's classes; None of a regressor."""
    scores: Scores
    guessed: dict[str, float]
    """Score to what guessing reaches; empty where the model does not tell what to guess by."""
    slices: dict[str, list[Slice]]
    """Title to slices, the worst first."""
    coverage: Coverage | None = None
    """How its intervals or sets hold; None where it has none."""
