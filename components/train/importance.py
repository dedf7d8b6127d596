"""How much each column matters to a fitted estimator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.common.inference.sklearn_predict import answers
from components.common.metrics.scores import regression_scores

SAMPLE = 1000
"""Most rows that permutation importance looks at."""


@dataclass(frozen=True)
class Importance:
    """Columns and their importance, the greatest first."""

    by: str
    """What it was worked out from."""
    columns: dict[str, float]
    """Column to importance; features of one text or one categorical column are summed."""


def importance(estimator: Any, origins: Sequence[str], features: Any, truth: np.ndarray, seed: int) -> Importance:
    """Works out how much each column matters.

    A forest's own impurity decrease or a linear model's coefficients where there are some (as shares of their sum),
    else the loss of accuracy or R² when the column's values are shuffled (Breiman, Machine Learning 45, 2001).

    Args:
        estimator: A fitted estimator.
        origins: (features,) the column of each feature.
        features: (rows, features) held-out rows.
        truth: (rows,) their labels or values.
        seed: Seed of the sample and of the shuffles.
    """
    if hasattr(estimator, "feature_importances_"):
        by, weights = "impurity decrease", np.asarray(estimator.feature_importances_)
    elif hasattr(estimator, "coef_"):
        coefficients = estimator.coef_.toarray() if hasattr(estimator.coef_, "toarray") else estimator.coef_
        by, weights = "absolute coefficients", np.abs(coefficients).reshape(-1, len(origins)).mean(axis=0)
    else:
        return _permutation(estimator, origins, features, truth, seed)
    total = float(weights.sum()) or 1.0
    found = dict.fromkeys(origins, 0.0)
    for name, weight in zip(origins, weights.tolist(), strict=True):
        found[name] += weight / total
    return Importance(by, _sorted(found))


def _permutation(estimator: Any, origins: Sequence[str], features: Any, truth: np.ndarray, seed: int) -> Importance:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(features.shape[0])[:SAMPLE])
    part, truth = features[rows], truth[rows]
    dense = part.toarray() if hasattr(part, "toarray") else np.array(part)
    before = _quality(estimator, dense, truth)
    found = {}
    for name in dict.fromkeys(origins):
        mine = [at for at, origin in enumerate(origins) if origin == name]
        kept = dense[:, mine].copy()
        dense[:, mine] = kept[rng.permutation(len(rows))]
        found[name] = before - _quality(estimator, dense, truth)
        dense[:, mine] = kept
    what = "accuracy" if hasattr(estimator, "classes_") else "R²"
    return Importance(f"loss of {what} on {len(rows):,} validation rows when shuffled", _sorted(found))


def _quality(estimator: Any, features: np.ndarray, truth: np.ndarray) -> float:
    predicted = answers(estimator, features).predicted
    if hasattr(estimator, "classes_"):
        return float((predicted == truth).mean())
    return regression_scores(truth, predicted).values.get("r2", 0.0)


def _sorted(found: dict[str, float]) -> dict[str, float]:
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
