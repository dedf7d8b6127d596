"""How much each column matters to a fitted estimator: what shuffling it costs on held-out rows.

A model's own measure, such as a forest's impurity decrease, is of training rows and favours columns of many values; it
can be upside down. Here all models are measured alike: the values of a column are dealt anew among held-out rows, and
the loss grows (Breiman, Machine Learning 45, 2001).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.common.inference.sklearn_predict import answers, classes_of
from components.common.metrics.scores import all_classes, coded, losses

_ROWS, _FEWEST_ROWS, _CELLS = 1000, 100, 20_000_000
"""Rows that are looked at; fewer, down to the second, where rows times features would be more cells than the third."""
_SHUFFLES = 2
"""Of each column, where there are few."""
_AT_ONCE = 64
"""Columns, or groups of columns, that are shuffled in a round."""


@dataclass(frozen=True)
class Importance:
    """Columns and their importance, the greatest first."""

    by: str
    """What it was worked out from."""
    columns: dict[str, float]
    """Column to importance: by how much the loss grows; features that are made of one column are shuffled together."""
    others: int = 0
    """Columns that were shuffled only together with others and then left aside."""
    rest: float = 0.0
    """By how much the loss grows when all of these are shuffled together."""


def importance(estimator: Any, origins: Sequence[str], features: Any, truth: np.ndarray, seed: int) -> Importance:
    """Works out how much each column matters.

    Of many columns, groups are shuffled first; the half that matters more is split up, until single columns remain. So
    thousands of columns take some hundred questions, not thousands.

    Args:
        estimator: A fitted estimator.
        origins: (features,) the column of each feature.
        features: (rows, features) held-out rows.
        truth: (rows,) their labels or values.
        seed: Seed of the sample and of the shuffles.
    """
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(seed)
    most = max(min(_ROWS, _CELLS // max(features.shape[1], 1)), _FEWEST_ROWS)
    rows = np.sort(rng.permutation(features.shape[0])[:most])
    part = features[rows]
    dense = part.toarray() if hasattr(part, "toarray") else np.array(part)
    what, loss = _loss(estimator, truth[rows])
    places: dict[str, list[int]] = {}
    for at, name in enumerate(origins):
        places.setdefault(name, []).append(at)

    def cost(names: Sequence[str]) -> float:
        mine = [at for name in names for at in places[name]]
        kept, grown = dense[:, mine].copy(), []
        for _ in range(_SHUFFLES if len(places) * _SHUFFLES <= _AT_ONCE else 1):
            dense[:, mine] = kept[rng.permutation(len(rows))]
            grown.append(loss(dense) - before)
        dense[:, mine] = kept
        return float(np.mean(grown))

    # Threads that wait for each other in hundreds of small questions take many times as long on a busy machine.
    with threadpool_limits(1):
        before = loss(dense)
        found = _searched(list(places), cost)
        others = [name for name in places if name not in found]
        rest = cost(others) if others else 0.0
    by = f"by how much the {what} of {len(rows):,} held-out rows grows when a column's values are dealt anew among them"
    ranked = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
    return Importance(by, ranked, len(others), rest)


def _searched(names: list[str], cost: Callable[[Sequence[str]], float]) -> dict[str, float]:
    """Column to cost, of those that matter most where there are many."""
    groups = [list(group) for group in np.array_split(np.array(names, dtype=object), min(len(names), _AT_ONCE))]
    known: dict[tuple[str, ...], float] = {}
    while True:
        for group in groups:
            if tuple(group) not in known:
                known[tuple(group)] = cost(group)
        if all(len(group) == 1 for group in groups):
            return {group[0]: grown for group, grown in known.items() if len(group) == 1}
        best = sorted(groups, key=lambda group: -known[tuple(group)])[: _AT_ONCE // 2]
        groups = [half for group in best for half in (group[::2], group[1::2]) if half]


def _loss(estimator: Any, truth: np.ndarray) -> tuple[str, Callable[[np.ndarray], float]]:
    """What grows when a model answers worse, in words and as a function of features."""
    classes = classes_of(estimator)

    def rmse(features: np.ndarray) -> float:
        return float(np.sqrt(((answers(estimator, features).predicted - truth) ** 2).mean()))

    def wrong(features: np.ndarray) -> float:
        return float((answers(estimator, features).predicted != truth).mean())

    if classes is None:
        return "RMSE", rmse
    if not hasattr(estimator, "predict_proba"):
        return "share of wrong answers", wrong
    codes = coded(truth, all_classes(truth, classes))

    def log_loss(features: np.ndarray) -> float:
        probabilities: Any = answers(estimator, features).probabilities
        return float(losses(codes, probabilities).mean())

    return "log loss", log_loss
