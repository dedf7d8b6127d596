"""Split-conformal intervals and prediction sets, from a model's answers to the validation split.

Where the rows to come are drawn as the validation rows were, an interval holds the true value with at least the
asked share, whatever the model (Vovk et al., Algorithmic Learning in a Random World, 2005; Angelopoulos and Bates, A
Gentle Introduction to Conformal Prediction, 2021). So that the share does not hold on average alone:

- Numbers are parted by the predicted value, and each part has its own interval (Mondrian conformal prediction): dear
  houses are harder to price. Both tails get half of what may be missed, since errors of prices are skewed.
- Each class has its own threshold (label-conditional), since of one fraud in a hundred rows sets that never name it
  would hold for 99 % of all rows. All rows hold with the asked share, and no class much less often. A class of too few
  rows takes the threshold of all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.inference.intervals import LEEWAY
from components.common.inference.sklearn_predict import Answers

_PARTS, _ROWS = 10, 100
"""Most parts of the predicted values, and the fewest rows of one."""
_STEPS = 26
"""How finely it is tried how much of a class may be missed."""
_SLACK = 1e-5
"""Of a class's threshold: a compiled model's probabilities may differ by so much, and those of trees have many ties."""


def calibrated(truth: np.ndarray, found: Answers, classes: Sequence[str] | None, level: float) -> dict[str, Any]:
    """Works out what `Intervals` takes.

    Args:
        truth: (rows,) labels or values of rows that the model was not fitted on.
        found: Its answers to them.
        classes: A classifier's classes; None of a regressor.
        level: The share of rows that intervals or sets are to hold for.

    Raises:
        Refusal: There are too few rows, or the classifier has no probabilities.
    """
    missed = 1 - level
    fewest = math.ceil(round((1 if classes else 2) / missed, 9)) - 1
    if len(truth) < fewest:
        raise Refusal(
            f"{len(truth)} validation rows are too few for intervals",
            where="train.intervals",
            value=level,
            rule=f"at least {fewest} rows for {level:g}",
            mend="ask for a lower share, use more rows, or raise segregate.validation_size",
        )
    if classes is None:
        return {"level": level, **_parts(truth, found.predicted, missed, fewest)}
    if found.probabilities is None:
        raise Refusal(
            "this model has no probabilities",
            where="train.intervals",
            rule="sets of classes are made of probabilities",
            mend="take another model, or leave train.intervals out",
        )
    return {"level": level, **_least(truth, found.probabilities, classes, missed)}


def _parts(truth: np.ndarray, predicted: np.ndarray, missed: float, fewest: int) -> dict[str, list[float]]:
    edges = _edges(predicted, min(_PARTS, len(truth) // max(_ROWS, 2 * fewest)), fewest)
    part = np.searchsorted(edges, predicted, side="right")
    ends = [_ends(np.sort(truth[part == at] - predicted[part == at]), missed / 2) for at in range(len(edges) + 1)]
    return {"edges": edges.tolist(), "low": [low for low, _ in ends], "high": [high for _, high in ends]}


def _ends(errors: np.ndarray, tail: float) -> tuple[float, float]:
    """The errors that leave out at most a tail on each side; of m errors a new one has m + 1 places to fall."""
    outside = math.floor(round((len(errors) + 1) * tail, 9))
    return float(errors[outside - 1]), float(errors[len(errors) - outside])


def _edges(predicted: np.ndarray, parts: int, fewest: int) -> np.ndarray:
    """Values between predictions that cut them in parts of about equal size, none of fewer rows than there must be.

    They lie halfway between two predictions, so that a last digit does not move a row to another part.
    """
    values = np.unique(predicted)
    if parts < 2 or len(values) < 2:
        return np.empty(0)
    halfway = (values[:-1] + values[1:]) / 2
    wanted = np.quantile(predicted, np.arange(1, parts) / parts)
    edges = np.unique(halfway[np.searchsorted(halfway, wanted).clip(max=len(halfway) - 1)])
    while len(edges):
        counts = np.bincount(np.searchsorted(edges, predicted, side="right"), minlength=len(edges) + 1)
        if counts.min() >= fewest:
            break
        edges = np.delete(edges, min(int(counts.argmin()), len(edges) - 1))
    return edges


def _least(truth: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], missed: float) -> dict[str, Any]:
    """Class to the least probability with which it is in a set, and that of classes that only a later model knows.

    The most likely class is in every set, so a row whose true class it is holds whatever the threshold: it counts as if
    the probability were 1. Classes that are recognised more often than asked leave room to the others, of which at most
    twice the asked share is missed; else sets would hold for more rows than they are asked to.
    """
    at = {name: place for place, name in enumerate(classes)}
    true = np.array([at.get(name, -1) for name in truth])
    given = np.where(true < 0, 0.0, probabilities[np.arange(len(truth)), true])
    given[probabilities.argmax(axis=1) == true] = 1.0
    wanted = len(truth) - math.floor(round((len(truth) + 1) * missed, 9))
    for share in np.linspace(LEEWAY * missed, missed, _STEPS):
        whole = _threshold(given, missed) or 0.0
        found = [_threshold(given[true == place], share) for place in range(len(classes))]
        least = np.array([whole if threshold is None else threshold for threshold in found])
        if (given >= np.append(least, whole)[true]).sum() >= wanted:
            break
    slack = np.maximum(np.append(least, whole) - _SLACK, 0.0).tolist()
    return {"least": dict(zip(classes, slack[:-1], strict=True)), "others": slack[-1]}


def _threshold(given: np.ndarray, missed: float) -> float | None:
    """The probability that all but the missed share of rows give to their true class; None of too few rows."""
    outside = math.floor(round((len(given) + 1) * missed, 9))
    return float(np.sort(given)[outside - 1]) if outside else None
