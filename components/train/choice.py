"""The choice that `train.model: auto` makes, on the training split alone: by cross-validation where that is cheap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from components.common.inference.sklearn_predict import answers
from components.common.metrics.scores import coded, log_loss
from components.train.candidates import Candidate, boosting_alone, candidates
from components.train.feature_block import feature_block, native_features, ranges, target_type
from components.train.features import Plan
from components.train.styles import known, resolved, takes_categories
from components.train.transformers import of_one_thread

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.base import Task
    from components.common.config.train import TrainArgument

MOST_ROWS, MOST_CELLS = 20_000, 2_000_000
"""Training rows, and rows times features (times classes, if more than two), up to which candidates are compared."""
_EVERY = 10
"""Boosting is looked at each so many iterations."""
_PRIOR, _STEPS = 5, 20
"""A blend starts with so many equal parts of each member, and gets so many further ones, each where it helps most."""
_HOPELESS = 1.5
"""A family whose error is larger than the best one's by this factor is left out."""


@dataclass(frozen=True)
class Tried:
    """A candidate, and what came of it."""

    candidate: Candidate
    error: float | None
    """Cross-validated: log loss, or the geometric mean of MAE and RMSE; None where nothing was compared."""
    weight: float
    """Its share of the answers; 0 if it was not chosen."""


@dataclass(frozen=True)
class Choice:
    """What was chosen, from what, and why."""

    tried: list[Tried]
    by: str
    """The error that was compared; empty where nothing was compared."""
    why: str

    @property
    def members(self) -> list[tuple[Candidate, float]]:
        """What answers, with its weight."""
        return [(one.candidate, one.weight) for one in self.tried if one.weight]

    @property
    def words(self) -> str:
        """What was chosen, in a few words."""
        names = [f"{candidate.name} {weight:.0%}" for candidate, weight in self.members]
        return f"a blend of {', '.join(names)}" if len(names) > 1 else self.members[0][0].name


def choose(
    section: TrainArgument,
    plan: Plan,
    typed: pd.DataFrame,
    truth: np.ndarray,
    transformers: ModuleType,
    groups: np.ndarray | None = None,
) -> Choice:
    """Chooses a model for a training split.

    Args:
        section: What to train; its `model` is auto.
        plan: What becomes features.
        typed: The table that `Columns` made of the training split.
        truth: (rows,) labels or values.
        transformers: What `shipped` returns.
        groups: (rows,) codes of the groups that the splits keep together, which folds keep together too: rows of a
            group are alike, and a model that knows them by heart would look good.
    """
    task, rows = section.task, len(truth)
    outputs = len(set(truth)) if task == "classification" else 1
    cells = rows * _width(plan, typed) * (outputs if outputs > 2 else 1)
    apart = rows if groups is None else len(np.unique(groups))
    if rows > MOST_ROWS or cells > MOST_CELLS or apart < 2 * _folds(rows):
        alone = boosting_alone(task, truth, section.seed)
        why = f"{rows:,} training rows of {len(plan.features):,} columns: boosting without a comparison, which is made"
        return Choice([Tried(alone, None, 1.0)], "", f"{why} up to {MOST_ROWS:,} rows and {MOST_CELLS:,} cells.")
    families = candidates(task, truth, transformers, section.seed)
    everyone = [one for family in families.values() for one in family]
    made = _out_of_fold(section, plan, everyone, typed, truth, transformers, groups)
    errors = [_error(task, truth, found) for _, found in made]
    # The best of each family; those of a family stand beside each other.
    best: list[int] = []
    for name in families:
        best.append(min((at for at, one in enumerate(everyone) if one.name == name), key=lambda at: errors[at]))
    least = min(errors[at] for at in best)
    kept = [at for at in best if errors[at] <= _HOPELESS * least]
    weights = dict(zip(kept, _weights(task, truth, [made[at][1] for at in kept]), strict=True))
    tried = [Tried(made[at][0], errors[at], weights.get(at, 0.0)) for at in range(len(everyone))]
    by = "log loss" if task == "classification" else "geometric mean of MAE and RMSE"
    why = f"The best of each family by {_folds(rows)}-fold cross-validation on the training split, blended by what "
    return Choice(tried, by, why + "lowers the error; members start with equal weights.")


def _folds(rows: int) -> int:
    return 5 if rows <= 5000 else 3


def _width(plan: Plan, typed: pd.DataFrame) -> int:
    return sum(
        plan.settings[name]["max_features"]
        if kind == "text"
        else min(int(typed[name].nunique()), 10)
        if kind == "categorical"
        else 1
        for name, kind in plan.features.items()
    )


def _out_of_fold(
    section: TrainArgument,
    plan: Plan,
    everyone: Sequence[Candidate],
    typed: pd.DataFrame,
    truth: np.ndarray,
    transformers: ModuleType,
    groups: np.ndarray | None,
) -> list[tuple[Candidate, np.ndarray]]:
    """Each candidate, its number of iterations fixed, and its answers to rows that it has not learnt from.

    Returns:
        Candidate, and (rows,) numbers or (rows, classes) probabilities.
    """
    classes = np.unique(truth) if section.task == "classification" else None
    stages: list[list[np.ndarray]] = [[] for _ in everyone]
    order = []
    for fit, asked in _splits(section, truth, groups):
        order.append(asked)
        table, rest = typed.iloc[fit], typed.iloc[asked]
        features: dict[str, tuple[Any, Any, list[int]]] = {}
        for at, one in enumerate(everyone):
            if one.style not in features:
                own = resolved(known(plan, table), one.style, takes_categories(one.estimator), table)
                to = target_type(section.task, truth)
                block = feature_block([own], transformers, table, False, to, section.seed)
                features[one.style] = (
                    block.fit_transform(table, truth[fit]),
                    block.transform(rest),
                    native_features(block),
                )
            learnt, unseen, native = features[one.style]
            estimator = clone(one.estimator)
            if native:
                estimator.set_params(categorical_features=native)
            estimator.fit(learnt, truth[fit])
            stages[at].append(
                np.stack([_of_all(found, estimator, classes) for found in _asked(one, estimator, unseen)])
            )
    rows = np.argsort(np.concatenate(order))
    found = []
    for one, parts in zip(everyone, stages, strict=True):
        joined = np.concatenate(parts, axis=1)[:, rows]
        if not one.iterations:
            found.append((one, joined[0]))
            continue
        stage = int(np.argmin([_error(section.task, truth, answered) for answered in joined]))
        iterations = (stage + 1) * _EVERY
        estimator = clone(one.estimator).set_params(max_iter=iterations)
        words = f"{one.settings}, {iterations} iterations"
        found.append((replace(one, estimator=estimator, settings=words, iterations=False), joined[stage]))
    return found


def _splits(
    section: TrainArgument, truth: np.ndarray, groups: np.ndarray | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    folds, seeded = _folds(len(truth)), {"shuffle": True, "random_state": section.seed}
    if section.task == "classification" and np.unique(truth, return_counts=True)[1].min() >= folds:
        if groups is not None:
            return StratifiedGroupKFold(folds, **seeded).split(truth, truth, groups)
        return StratifiedKFold(folds, **seeded).split(truth, truth)
    if groups is not None:
        return GroupKFold(folds, **seeded).split(truth, groups=groups)
    return KFold(folds, **seeded).split(truth)


def _asked(one: Candidate, estimator: Any, features: np.ndarray) -> Iterator[np.ndarray]:
    """The answers of a fitted candidate, of boosting those after every tenth iteration."""
    if one.iterations:
        staged = estimator.staged_predict_proba if hasattr(estimator, "classes_") else estimator.staged_predict
        yield from (found for at, found in enumerate(staged(features), 1) if at % _EVERY == 0)
        return
    found = answers(of_one_thread(estimator), features)
    yield found.predicted if found.probabilities is None else found.probabilities


def _of_all(found: np.ndarray, estimator: Any, classes: np.ndarray | None) -> np.ndarray:
    """Probabilities with a column for each class, also for those that a fold's training rows lack."""
    if classes is None or len(estimator.classes_) == len(classes):
        return found
    full = np.zeros((len(found), len(classes)))
    full[:, np.searchsorted(classes, estimator.classes_)] = found
    return full


def _error(task: Task, truth: np.ndarray, found: np.ndarray) -> float:
    if task == "classification":
        return log_loss(coded(truth, list(np.unique(truth))), found)
    wrong = found - truth
    return float(np.sqrt(np.abs(wrong).mean() * np.sqrt((wrong**2).mean())))


def _weights(task: Task, truth: np.ndarray, found: Sequence[np.ndarray]) -> list[float]:
    """Weights of members by forward selection from equal parts (Caruana and others, ICML 2004)."""
    parts = np.full(len(found), float(_PRIOR))
    for _ in range(_STEPS if len(found) > 1 else 0):
        total = sum(part * one for part, one in zip(parts, found, strict=True))
        errors = [_error(task, truth, (total + one) / (parts.sum() + 1)) for one in found]
        parts[int(np.argmin(errors))] += 1
    return [float(part) for part in parts / parts.sum()]


def blended(choice: Choice, block: Any, plans: int, task: Task, transformers: ModuleType) -> Any:
    """Makes the estimator of a choice, unfitted.

    Args:
        choice: What `choose` returned.
        block: The fitted transformer of features, made of a plan for each member.
        plans: How many plans.
        task: classification or regression.
        transformers: What `shipped` returns.
    """
    native = native_features(block)
    members, weights = [], []
    for (candidate, weight), (first, end) in zip(choice.members, ranges(block, plans), strict=True):
        estimator = clone(candidate.estimator)
        if own := [at - first for at in native if first <= at < end]:
            estimator.set_params(categorical_features=own)
        members.append((candidate.name, first, end, estimator))
        weights.append(weight)
    if len(members) == 1:
        return members[0][3]
    made = transformers.BlendedClassifier if task == "classification" else transformers.BlendedRegressor
    return made(members, weights)
