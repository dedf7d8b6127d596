"""Two classes: which of them is the positive one, and what a threshold of its probability comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.common.base.errors import Refusal, nearest
from components.common.inference.sklearn_predict import Answers

THRESHOLDS = tuple(step / 20 for step in range(1, 20))
"""Those that a report shows beside the chosen one."""
_POSITIVE = ("yes", "true", "1", "y", "t", "positive")
"""Names of classes that say themselves that they are the positive one."""


def positive_of(classes: Sequence[str], asked: str | int | bool | None = None) -> str:
    """The positive class, the one that is looked for: the one asked for, else one named like yes, else the second.

    Args:
        classes: Both, in the order of the probabilities, which is that of their names.
        asked: What the config names; None where it does not.

    Raises:
        Refusal: The model does not know the class that is asked for.
    """
    if asked is None:
        named = [name for name in classes if name.lower() in _POSITIVE]
        return named[0] if len(named) == 1 else classes[1]
    if str(asked) not in classes:
        raise Refusal(
            "the model does not know this class",
            where="evaluate.positive_class",
            value=str(asked),
            rule=f"one of {', '.join(map(repr, classes))}",
            mend=nearest(str(asked), classes),
        )
    return str(asked)


def said_at(chance: np.ndarray, classes: Sequence[str], positive: str, threshold: float) -> np.ndarray:
    """(rows,) the classes that are said where the positive one's probability must reach a threshold.

    Args:
        chance: (rows,) its probability.
        classes: Both.
        positive: The positive one.
        threshold: In 0..1.
    """
    other = next(name for name in classes if name != positive)
    return np.where(chance >= threshold, positive, other).astype(object)


@dataclass(frozen=True)
class AtThreshold:
    """What is found, and what is not, if rows count as positive from some probability on."""

    flagged: int
    """Rows called positive."""
    false_alarms: int
    """Those of them that are not."""
    missed: int
    """Positive rows that are not called so."""
    precision: float | None
    """Share of the flagged rows that are positive; None where none is flagged."""
    recall: float
    """Share of the positive rows that are flagged."""
    f1: float
    accuracy: float


def counted(positive: np.ndarray, flagged: np.ndarray) -> AtThreshold:
    """Counts what a rule finds.

    Args:
        positive: (rows,) whether a row is positive; at least one is.
        flagged: (rows,) whether it is called so.
    """
    hits, said, real = int((positive & flagged).sum()), int(flagged.sum()), int(positive.sum())
    return AtThreshold(
        said,
        said - hits,
        real - hits,
        hits / said if said else None,
        hits / real,
        2 * hits / (said + real),
        float((positive == flagged).mean()),
    )


def by_threshold(positive: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What each threshold flags.

    Args:
        positive: (rows,) whether a row is positive.
        chance: (rows,) its probability to be.

    Returns:
        (points,) thresholds, the distinct probabilities, the highest first; rows that reach them; positive rows of
        these.
    """
    order = np.argsort(-chance, kind="stable")
    chance, positive = chance[order], positive[order]
    last = np.append(np.flatnonzero(np.diff(chance)), len(chance) - 1)
    return chance[last], last + 1, np.cumsum(positive)[last]


def precision_recall(positive: np.ndarray, chance: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """The precision-recall curve.

    Args:
        positive: (rows,) whether a row is positive; at least one is.
        chance: (rows,) its probability to be.

    Returns:
        (points,) recall and precision, one point for each distinct probability, the highest first, and the average
        precision: the mean of the precision over the recall, by steps, as scikit-learn has it.
    """
    _, flagged, hits = by_threshold(positive, chance)
    precision, recall = hits / flagged, hits / hits[-1]
    return recall, precision, float((np.diff(recall, prepend=0.0) * precision).sum())


def calibration(positive: np.ndarray, chance: np.ndarray, bins: int = 10) -> tuple[np.ndarray, np.ndarray, float]:
    """What became of the rows of about equal probability.

    Args:
        positive: (rows,) whether a row is positive.
        chance: (rows,) its probability to be.
        bins: How many parts of equally many rows; fewer of few rows.

    Returns:
        (parts,) mean probability and share of positive rows, and their mean distance over all rows (the expected
        calibration error).
    """
    parts = np.array_split(np.argsort(chance, kind="stable"), max(min(bins, len(chance) // 5), 1))
    told = np.array([chance[part].mean() for part in parts])
    found = np.array([positive[part].mean() for part in parts])
    rows = np.array([len(part) for part in parts])
    return told, found, float((np.abs(told - found) * rows).sum() / rows.sum())


def is_binary(found: Answers, classes: Sequence[str] | None, truth: np.ndarray) -> bool:
    """Whether answers are probabilities of two classes, and rows of both, and of no other, are there."""
    return classes is not None and found.probabilities is not None and len(classes) == 2 and set(truth) == set(classes)
