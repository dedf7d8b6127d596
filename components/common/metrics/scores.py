"""Scores of predictions, by the definitions of scikit-learn.

They are worked out of counts and ranks at once for all classes: scikit-learn's own one-vs-one AUC of 15 classes takes
many times as long, and importing its metrics is not free either. Tests hold every score against scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.binary import by_threshold, is_binary, positive_of


@dataclass(frozen=True)
class Scores:
    """Scores, and what has to be said about them."""

    values: dict[str, float]
    """Name to score; one that cannot be worked out is left out."""
    notes: list[str] = field(default_factory=list)
    """Why a score is missing or covers less than all."""


def scored(truth: np.ndarray, found: Answers, classes: Sequence[str] | None) -> Scores:
    """Scores a model's answers: those of a classifier where classes are given, else those of a regressor."""
    return (
        regression_scores(truth, found.predicted) if classes is None else classification_scores(truth, found, classes)
    )


def classification_scores(truth: np.ndarray, found: Answers, classes: Sequence[str]) -> Scores:
    """Scores class labels.

    Args:
        truth: (rows,) true labels.
        found: The model's answers.
        classes: The model's classes, in the order of the probabilities.

    Returns:
        auc_macro_ovo (mean over ordered pairs of classes, Hand and Till 2001; of two classes the plain ROC AUC),
        f1_macro, accuracy, log_loss (nats). Without probabilities only f1_macro and accuracy.
    """
    notes = []
    names = all_classes(truth, classes)
    codes = coded(truth, names)
    matrix = confusion(truth, found.predicted, names)
    support = matrix.sum(axis=1)
    absent = [name for name, rows in zip(names, support, strict=True) if not rows]
    if absent:
        notes.append(f"No row of {_listed(absent)} is among these: scores cover the other classes.")
    if len(names) > len(classes):
        new = _listed(names[len(classes) :])
        notes.append(f"The model never saw {new}: such rows count as wrong, and the AUC leaves them out.")
    values = {}
    if found.probabilities is None:
        notes.append("The model gives no probabilities: AUC and log loss cannot be worked out.")
    else:
        auc = auc_macro_ovo(codes, found.probabilities)
        if auc is None:
            notes.append("Rows of one class alone have no AUC.")
        else:
            values["auc_macro_ovo"] = auc
    judged = (support > 0) | (matrix.sum(axis=0) > 0)
    values["f1_macro"] = float(per_class(matrix)["f1"][judged].mean())
    values["accuracy"] = float(np.trace(matrix) / matrix.sum())
    if found.probabilities is not None:
        values["log_loss"] = log_loss(codes, found.probabilities)
    return Scores(values, notes)


def regression_scores(truth: np.ndarray, predicted: np.ndarray) -> Scores:
    """Scores numbers.

    Args:
        truth: (rows,) true values.
        predicted: (rows,) predictions, in the same unit.

    Returns:
        r2 (share of the variance explained), mae and rmse (in the target's unit). Rows that are all alike have no r2.
    """
    error = predicted - truth
    total = float(((truth - truth.mean()) ** 2).sum())
    values = {"mae": float(np.abs(error).mean()), "rmse": float(np.sqrt((error**2).mean()))}
    if total == 0:
        return Scores(values, ["Rows of one value alone have no R²."])
    return Scores({"r2": 1 - float((error**2).sum()) / total, **values})


def all_classes(truth: np.ndarray, classes: Sequence[str]) -> list[str]:
    """The model's classes, then those that only the rows have, sorted."""
    known = [str(name) for name in classes]
    return known + sorted(set(truth) - set(known))


def coded(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(rows,) the place of each label among the names."""
    place = {name: at for at, name in enumerate(names)}
    return np.fromiter((place[label] for label in labels), dtype=np.intp, count=len(labels))


def confusion(truth: np.ndarray, predicted: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """(classes, classes) row counts: true class by predicted class."""
    n = len(names)
    return np.bincount(coded(truth, names) * n + coded(predicted, names), minlength=n * n).reshape(n, n)


def per_class(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """Precision, recall, f1 and rows of each class, 0 where there is nothing to divide by.

    Args:
        matrix: What `confusion` returns.
    """
    right, rows, said = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)

    def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)

    return {
        "precision": share(right, said),
        "recall": share(right, rows),
        "f1": share(2 * right, rows + said),
        "rows": rows,
    }


def auc_macro_ovo(codes: np.ndarray, probabilities: np.ndarray) -> float | None:
    """The mean AUC over all ordered pairs of classes (Hand and Till, Machine Learning 45, 2001).

    Of the pair (a, b), rows of class a should have a higher probability of a than rows of class b: the AUC is the
    share of such pairs of rows in which that holds, ties counted half (Mann-Whitney).

    Args:
        codes: (rows,) place of the true class; rows whose place has no probability are left out.
        probabilities: (rows, classes).

    Returns:
        A number in 0..1, or None where rows of fewer than two classes are present.
    """
    present = [c for c in np.unique(codes).tolist() if c < probabilities.shape[1]]
    if len(present) < 2:
        return None
    rows = {c: np.flatnonzero(codes == c) for c in present}
    if probabilities.shape[1] == 2:
        return _above(probabilities[rows[1], 1], np.sort(probabilities[rows[0], 1]))
    pairs = []
    for a in present:
        ranked = np.sort(probabilities[rows[a], a])
        pairs += [1 - _above(probabilities[rows[b], a], ranked) for b in present if b != a]
    return float(np.mean(pairs))


def _above(values: np.ndarray, ranked: np.ndarray) -> float:
    """The share of pairs in which one of `values` is above one of the sorted `ranked`, ties counted half."""
    below = ranked.searchsorted(values, "left").sum() + ranked.searchsorted(values, "right").sum()
    return float(below) / (2 * len(values) * len(ranked))


def log_loss(codes: np.ndarray, probabilities: np.ndarray) -> float:
    """The mean negative logarithm of the true class's probability, in nats."""
    return float(losses(codes, probabilities).mean())


def losses(codes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) what each row adds to the log loss, in nats, kept finite as scikit-learn does."""
    tiny = np.finfo(probabilities.dtype).eps
    chance = np.full(len(codes), tiny)
    known = codes < probabilities.shape[1]
    chance[known] = probabilities[known, codes[known]]
    return -np.log(np.clip(chance, tiny, 1 - tiny))


def roc_curve(positive: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ROC curve of one class against the rest.

    Args:
        positive: (rows,) whether a row is of the class; rows of both sorts are there.
        chance: (rows,) its probability.

    Returns:
        (points,) false positive rate, true positive rate and the probability from which on a row counts as positive,
        one point for each distinct probability, from (0, 0) to (1, 1).
    """
    thresholds, flagged, hits = by_threshold(positive, chance)
    misses = flagged - hits
    start = np.zeros(1)
    return (
        np.concatenate([start, misses / misses[-1]]),
        np.concatenate([start, hits / hits[-1]]),
        np.concatenate([[1.0], thresholds]),
    )


def auc_of(x: np.ndarray, y: np.ndarray) -> float:
    """The area under a curve of `roc_curve`, by trapezoids."""
    return float(np.trapezoid(y, x))


def class_views(
    truth: np.ndarray, found: Answers, classes: Sequence[str], positive: str | None = None
) -> dict[str, Any]:
    """What Kubeflow's own view of a classifier shows, as plain lists.

    Args:
        truth: (rows,) true labels.
        found: The model's answers.
        classes: The model's classes.
        positive: Of two classes the one that is looked for; by default as `positive_of` says.

    Returns:
        categories (names), matrix (row counts, true by predicted) and, of two classes, roc (false positive rates, true
        positive rates, thresholds; at most 200 points each).
    """
    names = all_classes(truth, classes)
    views: dict[str, Any] = {"categories": names, "matrix": confusion(truth, found.predicted, names).tolist()}
    if is_binary(found, classes, truth):
        wanted = positive or positive_of(names)
        real = truth == wanted
        probabilities: Any = found.probabilities
        curve = roc_curve(real, probabilities[:, names.index(wanted)])
        chosen = np.unique(np.linspace(0, len(curve[0]) - 1, 200).round().astype(int))
        views["roc"] = [part[chosen].tolist() for part in curve]
    return views


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
