"""Scores of parts of the rows, so that a good total does not hide a bad part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import confusion, per_class, scored
from components.common.metrics.slices import parts_of

if TYPE_CHECKING:
    import pandas as pd

CERTAIN = 3.0
"""Standard errors by which a slice must differ from the other rows to be called worse or better."""


@dataclass(frozen=True)
class Slice:
    """Some of the rows and their scores."""

    name: str
    rows: int
    scores: dict[str, float]
    verdict: str
    """worse, better or alike, compared with all other rows; empty where there are too few rows to say."""


def slices_of_column(
    values: pd.Series, truth: np.ndarray, found: Answers, classes: list[str] | None, min_rows: int
) -> list[Slice]:
    """Scores the rows of each value of a column.

    Args:
        values: (rows,) the column; missing values make a slice of their own, numbers of many values are cut at their
            quartiles.
        truth: (rows,) true labels or values.
        found: The model's answers.
        classes: A classifier's classes; None of a regressor.
        min_rows: Slices of fewer rows get no verdict.

    Returns:
        The slices, the worst first, those without a verdict last. Compared are the shares of right answers, or the mean
        absolute errors.
    """
    wrong = np.abs(found.predicted - truth) if classes is None else (found.predicted != truth).astype(float)
    slices = []
    for name, mine in parts_of(values):
        part = Answers(found.predicted[mine], None if found.probabilities is None else found.probabilities[mine])
        scores = scored(truth[mine], part, classes).values
        verdict = _verdict(wrong[mine], np.delete(wrong, mine), min_rows)
        slices.append((float(wrong[mine].mean()), Slice(name, len(mine), scores, verdict)))
    return [one for _, one in sorted(slices, key=lambda pair: (not pair[1].verdict, -pair[0], pair[1].name))]


def slices_of_class(truth: np.ndarray, found: Answers, names: list[str], min_rows: int) -> list[Slice]:
    """Precision, recall and F1 of each class, the lowest F1 first.

    Args:
        truth: (rows,) true labels.
        found: The model's answers.
        names: All classes.
        min_rows: Classes of fewer rows get no verdict.

    Returns:
        A slice per class; its verdict compares the share of its rows that are found with that of all other rows.
    """
    wrong = (found.predicted != truth).astype(float)
    scores = per_class(confusion(truth, found.predicted, names))
    slices = []
    for at, name in enumerate(names):
        mine = np.flatnonzero(truth == name)
        values = {key: float(scores[key][at]) for key in ("precision", "recall", "f1")}
        verdict = _verdict(wrong[mine], np.delete(wrong, mine), min_rows)
        slices.append(Slice(name, len(mine), values, verdict))
    return sorted(slices, key=lambda one: (not one.verdict, one.scores["f1"], one.name))


def _verdict(mine: np.ndarray, others: np.ndarray, min_rows: int) -> str:
    """Compares two means by their standard errors (Welch)."""
    if len(mine) < max(min_rows, 2) or len(others) < 2:
        return ""
    error = float(np.sqrt(mine.var(ddof=1) / len(mine) + others.var(ddof=1) / len(others)))
    gap = float(mine.mean() - others.mean())
    if abs(gap) <= CERTAIN * error:
        return "alike"
    return "worse" if gap > 0 else "better"
