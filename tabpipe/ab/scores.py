"""Scores of groups of rows, as sums over request keys, so that a resample of keys is a product of matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal, nearest
from components.common.metrics.scores import coded, losses

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "classification": ("accuracy", "log_loss", "f1_macro"),
    "regression": ("mae", "rmse"),
}
"""Of each task; the first is the default."""
LOWER = ("log_loss", "mae", "rmse")
"""Of which less is better."""


@dataclass(frozen=True)
class Tally:
    """What each key adds to a score."""

    parts: Any
    """(keys, parts) sparse."""
    score: Callable[[np.ndarray], np.ndarray]
    """(parts, resamples) sums to (resamples,) scores."""

    def whole(self) -> float:
        """The score of all rows."""
        return float(self.resampled(np.ones((self.parts.shape[0], 1)))[0])

    def resampled(self, counts: np.ndarray) -> np.ndarray:
        """(resamples,) scores, of (keys, resamples) how often each key was drawn."""
        return self.score(np.asarray(self.parts.T @ counts))


def chosen_metric(asked: str | None, task: str) -> str:
    """The metric to use.

    Raises:
        Refusal: The task has no such metric.
    """
    known = METRICS[task]
    if asked and asked not in known:
        rule = f"one of {', '.join(known)}"
        raise Refusal(
            f"there is no score {asked!r} of a {task}", where="--metric", rule=rule, mend=nearest(asked, known)
        )
    return asked or known[0]


def tally(metric: str, rows: pd.DataFrame, keys: np.ndarray, count: int, order: Sequence[str] | None = None) -> Tally:
    """Sums up what rows contribute, by key.

    Args:
        metric: One of METRICS.
        rows: predicted, truth and, for log_loss, probabilities.
        keys: (rows,) place of each row's key.
        count: How many keys there are.
        order: The classes in the order of the probabilities.
    """
    predicted, truth = rows["predicted"].to_numpy(), rows["truth"].to_numpy()
    if metric == "f1_macro":
        return _f1_macro(predicted, truth, keys, count)
    if metric == "accuracy":
        each = (predicted == truth).astype(float)
    elif metric == "log_loss":
        each = _losses(rows, truth, order or ())
    else:
        each = np.abs(predicted - truth) ** (2 if metric == "rmse" else 1)
    at = np.concatenate([np.zeros(len(rows), int), np.ones(len(rows), int)])
    parts = _summed(np.tile(keys, 2), at, np.concatenate([each, np.ones(len(rows))]), (count, 2))
    return Tally(parts, _rooted if metric == "rmse" else _mean)


def _mean(sums: np.ndarray) -> np.ndarray:
    return np.divide(sums[0], sums[1], out=np.full(sums.shape[1], np.nan), where=sums[1] > 0)


def _rooted(sums: np.ndarray) -> np.ndarray:
    return np.sqrt(_mean(sums))


def _f1_macro(predicted: np.ndarray, truth: np.ndarray, keys: np.ndarray, count: int) -> Tally:
    names = sorted({*predicted.tolist(), *truth.tolist()})
    said, is_ = coded(predicted, names), coded(truth, names)
    right, classes = said == is_, len(names)
    at = np.concatenate([is_[right], classes + is_, classes + said])
    owner = np.concatenate([keys[right], keys, keys])

    def score(sums: np.ndarray) -> np.ndarray:
        hits, whole = sums[:classes], sums[classes:]
        f1 = np.divide(2 * hits, whole, out=np.zeros_like(whole), where=whole > 0)
        judged = (whole > 0).sum(axis=0)
        return np.divide(f1.sum(axis=0), judged, out=np.full(sums.shape[1], np.nan), where=judged > 0)

    return Tally(_summed(owner, at, np.ones(len(at)), (count, 2 * classes)), score)


def _summed(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, shape: tuple[int, int]) -> Any:
    from scipy.sparse import csr_matrix

    return csr_matrix((values, (rows, columns)), shape=shape)


def _losses(rows: pd.DataFrame, truth: np.ndarray, order: Sequence[str]) -> np.ndarray:
    place = {name: at for at, name in enumerate(order)}
    codes = np.array([place.get(label, len(order)) for label in truth], dtype=np.intp)
    return losses(codes, np.vstack(rows["probabilities"].to_numpy()).astype("float64"))


def class_order(rows: pd.DataFrame, version: str) -> list[str]:
    """The classes of a version in the order of its probabilities.

    Args:
        rows: All rows of the version.
        version: The version, for messages.

    Raises:
        Refusal: The log has no probabilities, or does not say of which classes.
    """
    orders = {tuple(found) for found in rows["classes"] if found}
    if rows["probabilities"].isna().any() or len(orders) != 1 or rows["classes"].isna().any():
        raise Refusal(
            "the log has no probabilities with one order of classes",
            where=f"request log, version {version}",
            rule="log_loss needs the probability of the true class",
            mend="--metric accuracy",
        )
    return list(orders.pop())
