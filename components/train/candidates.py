"""The candidates of `train.model: auto`, and their settings by the size of the table and the task."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from components.train.styles import Style

if TYPE_CHECKING:
    from components.common.config.base import Task

_SMALL = 3000
"""Training rows up to which trees are kept small."""


@dataclass(frozen=True)
class Candidate:
    """One model that may become the chosen one, or a part of it."""

    name: str
    style: Style
    """Which features it gets."""
    settings: str
    """What it is, in words."""
    estimator: Any
    """Unfitted."""
    iterations: bool = False
    """Whether its number of iterations is to be chosen too; `max_iter` is the largest."""


def boosting_alone(task: Task, truth: np.ndarray, seed: int) -> Candidate:
    """The candidate for a large table: a gradient boosting that stops by itself.

    Args:
        task: classification or regression.
        truth: (rows,) labels or values to learn from.
        seed: Its seed.
    """
    rows = len(truth)
    # What is held back to stop by is dealt by class: each needs two rows.
    stops = rows >= _SMALL and (task == "regression" or min(np.unique(truth, return_counts=True)[1]) > 1)
    # On very many rows more iterations hardly help, and the table is fitted twice where it is refitted.
    most = 100 if rows >= 100_000 or not stops else 200
    estimator = _boosting(task, seed, max_iter=most, early_stopping=stops, l2_regularization=1.0)
    return Candidate("boosting", "boosting", "scikit-learn's histogram gradient boosting", estimator)


def candidates(task: Task, truth: np.ndarray, transformers: ModuleType, seed: int) -> dict[str, list[Candidate]]:
    """The candidates for a table that is not large, by family.

    They err differently: trees that correct each other, trees that are averaged, and a plane. Of a family with several
    candidates the best is taken.

    Args:
        task: classification or regression.
        truth: (rows,) labels or values to learn from.
        transformers: What `shipped` returns.
        seed: Seed of what has one.
    """
    rows = len(truth)
    small = rows < _SMALL
    # The usual one, and a slower one whose splits each see half of the features: better, but where two of them decide.
    usual = _boosting(task, seed, max_iter=300, early_stopping=False)
    slower = _boosting(
        task,
        seed,
        max_iter=500,
        early_stopping=False,
        learning_rate=0.05,
        max_leaf_nodes=15 if small else 31,
        min_samples_leaf=10 if small else 20,
        l2_regularization=1.0,
        max_features=0.5,
    )
    return {
        "boosting": [
            Candidate("boosting", "boosting", "gradient boosting that learns slowly", slower, iterations=True),
            Candidate("boosting", "boosting", "gradient boosting by scikit-learn's defaults", usual, iterations=True),
        ],
        "forest": [_forest(task, rows, seed)],
        "linear": _linear(task, truth, transformers),
    }


def _boosting(task: Task, seed: int, **settings: Any) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    made = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    return made(random_state=seed, **settings)


def _forest(task: Task, rows: int, seed: int) -> Candidate:
    from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor

    trees, leaf = (200, 3) if rows < _SMALL else (100, max(5, rows // 1000))
    made = ExtraTreesClassifier if task == "classification" else ExtraTreesRegressor
    estimator = made(trees, min_samples_leaf=leaf, max_features=0.5, random_state=seed, n_jobs=-1)
    return Candidate("forest", "trees", f"{trees} extra trees, at least {leaf} rows in a leaf", estimator)


def _linear(task: Task, truth: np.ndarray, transformers: ModuleType) -> list[Candidate]:
    from sklearn.linear_model import LogisticRegression, RidgeCV

    if task == "classification":
        return [
            Candidate("linear", "linear", f"logistic regression, C {c}", LogisticRegression(C=c, max_iter=1000))
            for c in (0.003, 0.03, 0.3, 3.0)
        ]
    ridge = RidgeCV(np.logspace(-2, 4, 13))
    found = [Candidate("linear", "linear", "ridge regression", ridge)]
    if truth.min() >= 0 and _skewed(truth):
        log = transformers.LogTarget(ridge)
        found.append(Candidate("linear", "linear", "ridge regression of the target's logarithm", log))
    return found


def _skewed(truth: np.ndarray) -> bool:
    """Whether some numbers are far above the others: the skewness, a third moment, is above 0.5."""
    spread = truth.std()
    return bool(spread > 0 and ((truth - truth.mean()) ** 3).mean() > 0.5 * spread**3)
