"""How rows are best split: by somebody who stands in several of them, or by time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import some
from components.common.metrics.scores import auc_macro_ovo
from tabpipe.draft import names
from tabpipe.draft.profile import Profile

if TYPE_CHECKING:
    from components.common.config.base import Task

_LEAST_GROUPS, _LEAST_IDS = 10, 30
"""Groups that are dealt to three splits: of people, and of what is merely called an id."""
_LEAST_REPEATED, _MOST_OF_ONE = 1.1, 0.25
"""Rows of a group on average, and the share of rows of the largest one."""
_ORDERED = 0.99
"""The share of steps from one row to the next that go on in time."""
_LEAST_TIMES, _MOST_AT_ONCE = 20, 0.25
_MOST_ROWS, _MOST_COLUMNS, _MOST_CLASSES = 4000, 100, 10
"""Beyond these, two quick models take too long for a hint."""
TEST = 0.3
_LEAST_OF_CLASS = 3


def group_column(columns: Sequence[Profile], target: str) -> Profile | None:
    """Find the column whose equal values belong to one person or thing, and so into one split.

    Args:
        columns: The columns of the config.
        target: The one to predict.
    """
    found = []
    for column in columns:
        named = names.is_of_somebody(column.name)
        least = _LEAST_GROUPS if named else _LEAST_IDS
        called = named or (
            column.kind == "identifier" and (names.is_id(column.name) or names.ends_like_id(column.name))
        )
        if column.name == target or column.missing or column.kind in ("date", "text") or not called:
            continue
        whole = column.kind != "numerical" or column.whole
        repeated = column.given / max(1, column.distinct) >= _LEAST_REPEATED and not column.once
        if whole and repeated and column.distinct >= least and column.largest_share <= _MOST_OF_ONE:
            found.append((not named, column.distinct, column.name, column))
    return min(found)[-1] if found else None


def unstratifiable(target: Profile) -> str:
    """Say why the splits cannot all have the target's class shares; nothing where they can."""
    counts = (target.classes or Counter()).most_common()
    rare = [name for name, count in counts if count < _LEAST_OF_CLASS]
    test = math.ceil(target.given * TEST)
    validation = math.ceil((target.given - test) * TEST)
    if rare:
        shown = some(list(map(repr, rare)), 5)
        return f"{shown}: fewer than {_LEAST_OF_CLASS} rows, which cannot be in all three splits"
    if min(test, validation) < len(counts):
        return f"{validation} rows of the validation split cannot hold {len(counts)} classes"
    return ""


def time_column(columns: Sequence[Profile], target: str) -> Profile | None:
    """Find the time that the rows of a table are ordered by.

    Args:
        columns: The columns of the config.
        target: The one to predict.
    """
    for column in sorted(columns, key=lambda one: one.kind != "date"):
        timed = column.kind == "date" or (column.kind == "numerical" and names.has(column.name, "time"))
        if not timed or column.name == target or column.missing or column.distinct < _LEAST_TIMES:
            continue
        steps = np.diff(_numbers(column))
        if max((steps >= 0).mean(), (steps <= 0).mean()) >= _ORDERED and column.largest_share <= _MOST_AT_ONCE:
            return column
    return None


def split_scores(features: Sequence[Profile], target: Profile, task: Task, time: Profile) -> tuple[float, float] | None:
    """Score a quick model on rows drawn at random, and on the latest ones.

    Args:
        features: The columns to learn from; texts are passed over.
        target: The column to predict.
        task: classification or regression.
        time: The time of each row.

    Returns:
        AUC or R² of both; None where that would take long, or cannot be told.
    """
    usable = [one for one in features if one.kind in ("numerical", "categorical", "date")]
    if (
        not usable
        or len(usable) > _MOST_COLUMNS
        or (task == "classification" and len(target.classes or ()) > _MOST_CLASSES)
    ):
        return None
    wanted, rows = target.truth(task, _MOST_ROWS)
    table = np.column_stack([_numbers(one)[rows] for one in usable])
    late = np.zeros(len(rows), bool)
    late[np.argsort(_numbers(time)[rows], kind="stable")[-int(len(rows) * TEST) :]] = True
    scores = [_score(table, wanted, held, task) for held in (np.random.default_rng(0).permutation(late), late)]
    return (scores[0], scores[1]) if None not in scores else None  # type: ignore[return-value]


def _score(table: np.ndarray, wanted: np.ndarray, held: np.ndarray, task: Task) -> float | None:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    if len(np.unique(wanted[~held])) < 2 or len(np.unique(wanted[held])) < 2:
        return None
    # scikit-learn fails on a column of which it sees no value.
    table = table[:, np.isfinite(table[~held]).any(axis=0)]
    settings: dict[str, Any] = {"max_iter": 30, "max_leaf_nodes": 15, "early_stopping": False, "random_state": 0}
    with threadpool_limits(1):  # on a busy machine many threads wait for each other
        if task == "regression":
            regressor = HistGradientBoostingRegressor(learning_rate=0.2, **settings)
            return float(regressor.fit(table[~held], wanted[~held]).score(table[held], wanted[held]))
        model = HistGradientBoostingClassifier(learning_rate=0.2, **settings)
        chance = model.fit(table[~held], wanted[~held]).predict_proba(table[held])
    known = np.isin(wanted[held], model.classes_)
    return auc_macro_ovo(np.searchsorted(model.classes_, wanted[held][known]), chance[known])


def _numbers(column: Profile) -> np.ndarray:
    """(sampled,) a column as numbers, NaN where missing: microseconds of a date, the number of a category."""
    import pyarrow as pa

    values = column.of_its_kind()
    if column.kind == "date":
        values = values.cast(pa.int64())
    elif column.kind != "numerical":
        values = values.dictionary_encode().indices
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
