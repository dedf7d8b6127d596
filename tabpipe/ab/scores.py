"""Scores of logged predictions, of resamples of request keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal, nearest
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.bootstrap import Score, resampled_score

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "classification": ("accuracy", "log_loss", "f1_macro"),
    "regression": ("mae", "rmse"),
}
"""Of each task; the first is the default."""


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


def score_of(metric: str, rows: pd.DataFrame, keys: np.ndarray, order: Sequence[str] | None = None) -> Score:
    """The function that scores resamples of keys.

    Args:
        metric: One of METRICS.
        rows: predicted, truth and, for log_loss, probabilities.
        keys: (rows,) place of each row's key.
        order: The classes in the order of the probabilities.
    """
    predicted, truth = rows["predicted"].to_numpy(), rows["truth"].to_numpy()
    if metric in METRICS["regression"]:
        return resampled_score(metric, truth, Answers(predicted), None, keys)
    if metric == "log_loss":
        chance = np.vstack(rows["probabilities"].to_numpy()).astype("float64")
        return resampled_score(metric, truth, Answers(predicted, chance), order or (), keys)
    return resampled_score(metric, truth, Answers(predicted), sorted({*predicted, *truth}), keys)


def whole(score: Score, keys: int) -> float:
    """The score of all rows.

    Args:
        score: What `score_of` gave.
        keys: How many keys there are.
    """
    return float(score(np.ones((keys, 1)))[0])


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
