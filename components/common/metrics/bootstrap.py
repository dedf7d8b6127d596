"""How sure the difference between two models is: a paired bootstrap of the rows.

A resample is a count per row, so a score of many resamples is a product of what the rows contribute and of the counts.
Both models are scored on the same resamples; what is hard for both cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from components.common.config.promote import PromoteArgument, sign_of
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import all_classes, coded, losses

_CELLS = 1 << 18
"""Rows times resamples worked on at once: a few arrays of 2 MB, which mostly stay in the processor's cache."""
_MOST_CELLS = 4e7
_LEAST = 200
"""Resamples that are drawn however many rows there are."""

Score = Callable[[np.ndarray], np.ndarray]
"""(rows, resamples) counts to (resamples,) scores; NaN where a resample has none."""


def interval(
    section: PromoteArgument,
    truth: np.ndarray,
    candidate: Answers,
    champion: Answers,
    candidate_classes: Sequence[str] | None,
    champion_classes: Sequence[str] | None,
) -> tuple[float, float, int]:
    """The percentile interval of how much better the candidate is.

    Args:
        section: The metric, the confidence, the seed and the number of resamples; fewer of many rows.
        truth: (rows,) labels or values.
        candidate: Its answers.
        champion: The champion's answers on the same rows.
        candidate_classes: The candidate's classes; None of a regressor.
        champion_classes: The champion's classes.

    Returns:
        The lower and upper end, in the unit of the metric and above 0 where the candidate is better, and the number of
        resamples that they come of. Resamples that have no score, such as those of one class alone, are left out.
    """
    better, former = (
        resampled_score(section.metric, truth, found, classes)
        for found, classes in ((candidate, candidate_classes), (champion, champion_classes))
    )
    return percentile_interval(
        former,
        better,
        (len(truth), len(truth)),
        paired=True,
        sign=sign_of(section.metric),
        resamples=affordable(section.resamples, len(truth)),
        confidence=section.confidence,
        seed=section.seed,
    )


def percentile_interval(
    former: Score,
    better: Score,
    sizes: tuple[int, int],
    *,
    paired: bool,
    sign: int,
    resamples: int,
    confidence: float,
    seed: int,
) -> tuple[float, float, int]:
    """The percentile interval of how much better one score is than another.

    Args:
        former: The score that the other is compared with.
        better: The other.
        sizes: How many rows, or keys, each of them is drawn from.
        paired: Whether both are of the same rows, and so scored on the same draws.
        sign: -1 where less of the metric is better.
        resamples: How many are drawn.
        confidence: Of the interval.
        seed: Of the draws.

    Returns:
        The lower and upper end, and the number of resamples that have a score.
    """
    random = np.random.default_rng(seed)
    at_once = max(_CELLS // max(sizes), 1)
    parts = []
    for first in range(0, resamples, at_once):
        count = min(at_once, resamples - first)
        drawn = _counts(random, sizes[0], count)
        start = former(drawn)
        parts.append(sign * (better(drawn if paired else _counts(random, sizes[1], count)) - start))
    differences = np.concatenate(parts)
    differences = differences[np.isfinite(differences)]
    if not len(differences):
        return float("nan"), float("nan"), 0
    tail = (1 - confidence) / 2
    low, high = np.quantile(differences, [tail, 1 - tail]).tolist()
    return low, high, len(differences)


def affordable(asked: int, rows: int, most: float = _MOST_CELLS) -> int:
    """How many resamples are drawn: those that are asked for, and fewer of very many rows.

    Args:
        asked: How many are asked for.
        rows: Of each resample.
        most: Rows of all resamples together.
    """
    return min(asked, max(_LEAST, int(most // rows)))


def _counts(random: np.random.Generator, rows: int, resamples: int) -> np.ndarray:
    """(rows, resamples) how often each row was drawn; a column is a draw of the multinomial with equal chances."""
    drawn = random.integers(0, rows, size=(rows, resamples), dtype=np.int64) * resamples + np.arange(resamples)
    return np.bincount(drawn.ravel(), minlength=rows * resamples).reshape(rows, resamples).astype(float)


def resampled_score(
    metric: str, truth: np.ndarray, found: Answers, classes: Sequence[str] | None, keys: np.ndarray | None = None
) -> Score:
    """The function that scores resamples of rows as components.common.metrics.scores would.

    Args:
        metric: The score.
        truth: (rows,) labels or values.
        found: The model's answers.
        classes: A classifier's classes; None of a regressor.
        keys: (rows,) what is drawn as a whole, such as a customer with many rows, numbered from 0; each row by default.
    """
    keys = np.arange(len(truth)) if keys is None else keys
    if classes is None:
        return _of_numbers(metric, truth, found.predicted, keys)
    names = all_classes(truth, classes)
    codes = coded(truth, names)
    probabilities: Any = found.probabilities  # a model without them has neither of the two scores that are of them
    if metric == "log_loss":
        return _mean_of(losses(codes, probabilities), keys)
    if metric == "auc_macro_ovo":
        return _auc_macro_ovo(codes, probabilities, keys)
    said = coded(found.predicted, names)
    return _mean_of((codes == said).astype(float), keys) if metric == "accuracy" else _f1_macro(codes, said, keys)


def _mean_of(values: np.ndarray, keys: np.ndarray) -> Score:
    sums, rows = np.bincount(keys, values), np.bincount(keys).astype(float)
    return lambda counts: sums @ counts / (rows @ counts)


def _of_numbers(metric: str, truth: np.ndarray, predicted: np.ndarray, keys: np.ndarray) -> Score:
    error = predicted - truth
    if metric == "mae":
        return _mean_of(np.abs(error), keys)
    squared = _mean_of(error**2, keys)
    if metric == "rmse":
        return lambda counts: np.sqrt(squared(counts))
    centred = truth - truth.mean()  # of numbers far from 0 the squares would swallow the spread
    mean, square = _mean_of(centred, keys), _mean_of(centred**2, keys)

    def r2(counts: np.ndarray) -> np.ndarray:
        spread = square(counts) - mean(counts) ** 2
        found = np.full(counts.shape[1], np.nan)
        return np.subtract(1, np.divide(squared(counts), spread, out=found, where=spread > 0))

    return r2


def _groups(places: np.ndarray, chosen: np.ndarray, groups: int, columns: np.ndarray | None = None):
    """(groups, rows or keys) the matrix that sums the chosen rows by place.

    Args:
        places: (rows,) group of each row.
        chosen: (rows,) which rows count.
        groups: How many there are.
        columns: (rows,) key of each row; the row itself by default.
    """
    from scipy.sparse import csr_matrix

    columns = np.arange(len(places)) if columns is None else columns
    shape = (groups, int(columns.max()) + 1)
    return csr_matrix((np.ones(int(chosen.sum())), (places[chosen], columns[chosen])), shape=shape)


def _f1_macro(codes: np.ndarray, said: np.ndarray, keys: np.ndarray) -> Score:
    every, classes = np.ones(len(codes), dtype=bool), int(max(codes.max(), said.max())) + 1
    right, rows, told = (
        _groups(places, chosen, classes, keys)
        for places, chosen in ((codes, codes == said), (codes, every), (said, every))
    )

    def score(counts: np.ndarray) -> np.ndarray:
        whole = rows @ counts + told @ counts
        f1 = np.divide(2 * (right @ counts), whole, out=np.zeros_like(whole), where=whole > 0)
        return f1.sum(axis=0) / (whole > 0).sum(axis=0)

    return score


def _auc_macro_ovo(codes: np.ndarray, probabilities: np.ndarray, keys: np.ndarray) -> Score:
    """The mean over pairs of classes, exact.

    Where each row weighs its share of its class, the AUC of class a against all others together is the sum of its AUC
    against each: for each a one cumulative sum over the distinct probabilities of its rows does.
    """
    known = probabilities.shape[1]
    by_class = _groups(codes, codes < known, known)
    asked = [1] if known == 2 else [at for at in range(known) if (codes == at).any()]
    views = [_ranked(codes, at, probabilities[:, at], known) for at in asked]
    place = np.minimum(codes, known)
    each = np.array_equal(keys, np.arange(len(keys)))  # the counts are those of the rows already

    def score(counts: np.ndarray) -> np.ndarray:
        counts = counts if each else counts[keys]
        rows = by_class @ counts
        share = np.divide(1, rows, out=np.zeros_like(rows), where=rows > 0)
        weights = counts * np.vstack([share, np.zeros(counts.shape[1])])[place]
        total = np.zeros(counts.shape[1])
        for mine, others in views:
            around = others @ weights
            below = np.cumsum(around, axis=0)
            total += np.einsum("kr,kr->r", mine @ weights, below[1::2] - around[1::2] / 2)
        present = (rows > 0).sum(axis=0)
        pairs = np.where(present > 1, 1 if known == 2 else present * (present - 1), np.nan)
        return total / pairs

    return score


def _ranked(codes: np.ndarray, at: int, chance: np.ndarray, known: int):
    """The rows of a class by their distinct probabilities, and all others by their place between and at those."""
    mine = codes == at
    values = np.unique(chance[mine])
    rank = values.searchsorted(chance, "left")
    between = rank + values.searchsorted(chance, "right")
    return _groups(rank, mine, len(values)), _groups(between, ~mine & (codes < known), 2 * len(values) + 1)
