"""Columns that know the target: copies of it, texts of it, and parts that add up to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.metrics.scores import auc_macro_ovo, regression_scores
from tabpipe.draft.profile import Profile

if TYPE_CHECKING:
    from components.common.config.base import Task

SUSPICIOUS = 0.99
"""AUC or R² of a model of one column, above which it is no honest feature."""
_LEAST_ROWS, _LEAST_OF_CLASS = 200, 20
"""Of a smaller table, or rarer classes, a strong feature may look like a leak by chance."""
_MOST_ROWS, _FEWEST_ROWS, _MOST_VALUES = 5000, 500, 2_000_000
"""Rows that are looked at, fewer of a table with many columns."""
_SAME_ORDER = 0.999
"""The square of a rank correlation above which a column is the target on another scale."""
_FOLDS, _BLOCKS, _BINS = 3, 5, 200
_PARTS, _EXACT = 3, 1e-9
"""Most columns that add up to the target, and the share of its variance that their sum may leave."""


def leave_out_leaks(columns: Sequence[Profile], target: Profile, task: Task) -> None:
    """Leave the columns out that give the target away, each with its reason.

    A column is suspected if a model of it alone, fitted and asked on different rows, is nearly always right. Numbers
    are held out in blocks of the table too: what only grows as the target does from row to row gives nothing away.

    Args:
        columns: The columns that are to be learnt from.
        target: The column to predict.
        task: classification or regression.
    """
    truth, rows = _truth(target, task, max(_FEWEST_ROWS, min(_MOST_ROWS, _MOST_VALUES // max(1, len(columns)))))
    if len(rows) < _LEAST_ROWS:
        return
    folds = [np.random.default_rng(0).integers(0, _FOLDS, len(rows))]
    if task == "regression":
        folds.append(np.arange(len(rows)) * _BLOCKS // len(rows))
    numbers: dict[str, np.ndarray] = {}
    for column in columns:
        if column.kind == "numerical":
            numbers[column.name] = _numbers(column, rows)
            score = min(_of_numbers(numbers[column.name], truth, fold, task) for fold in folds)
            if task == "regression" and not column.grows:
                score = max(score, _of_ranks(numbers[column.name], truth))
        elif column.kind == "categorical" or (column.kind == "text" and column.different < len(rows) / 2):
            score = min(_of_codes(_codes(column, rows), truth, fold, task) for fold in folds)
        else:
            continue
        if score > SUSPICIOUS:
            called = "AUC" if task == "classification" else "R²"
            column.leave_out(f"a suspected leak: it alone gives the target with {called} {score:.4f}")
            numbers.pop(column.name, None)
    if task == "regression" and (parts := _parts(numbers, truth)):
        for column in columns:
            if column.name in parts:
                column.leave_out(f"a suspected leak: {' and '.join(parts)} add up to the target")


def _truth(target: Profile, task: Task, most: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) class codes or numbers, and (n,) rows of the sample that have one."""
    codes, rows = target.truth(task, most)
    if task == "regression":
        return codes, rows
    counts = np.bincount(codes)
    frequent = np.flatnonzero(counts >= _LEAST_OF_CLASS)
    kept = np.isin(codes, frequent)
    return np.searchsorted(frequent, codes[kept]), rows[kept] if len(frequent) > 1 else rows[:0]


def _numbers(column: Profile, rows: np.ndarray) -> np.ndarray:
    values = column.of_its_kind().take(rows)
    found = values.to_numpy(zero_copy_only=False).astype("float64")
    given = found[np.isfinite(found)]
    # What is missing stands apart, below all that is there.
    return np.where(np.isfinite(found), found, (2 * given.min() - given.max() - 1) if len(given) else 0.0)


def _codes(column: Profile, rows: np.ndarray) -> np.ndarray:
    values = column.of_its_kind().take(rows)
    return values.dictionary_encode().indices.fill_null(-1).to_numpy() + 1


def _of_numbers(values: np.ndarray, truth: np.ndarray, fold: np.ndarray, task: Task) -> float:
    """The score of the mean target of each of many bins, between which a line is drawn; or of one line, if better."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)[1:-1]))
    codes = np.searchsorted(edges, values, side="right")
    if task == "classification":
        return _of_codes(codes, truth, fold, task)
    guess, size = np.empty(len(truth)), len(edges) + 1
    for held in range(int(fold.max()) + 1):
        seen = fold != held
        counts = np.bincount(codes[seen], minlength=size)
        there = counts > 0
        at, means = ((np.bincount(codes[seen], part[seen], size)[there] / counts[there]) for part in (values, truth))
        guess[~seen] = np.interp(values[~seen], at, means)
    line = float(np.corrcoef(values, truth)[0, 1] ** 2) if np.ptp(values) and np.ptp(truth) else 0.0
    return max(_r2(truth, guess), line)


def _of_ranks(values: np.ndarray, truth: np.ndarray) -> float:
    """The square of Spearman's correlation, which is 1 of the target on another scale, such as its logarithm."""
    first, second = (np.searchsorted(np.sort(part), part) for part in (values, truth))
    square = float(np.corrcoef(first, second)[0, 1] ** 2) if np.ptp(first) and np.ptp(second) else 0.0
    return square if square > _SAME_ORDER else 0.0


def _of_codes(codes: np.ndarray, truth: np.ndarray, fold: np.ndarray, task: Task) -> float:
    """The score of the mean target of each category, or of the shares of its classes."""
    size = int(codes.max()) + 1
    classes = int(truth.max()) + 1 if task == "classification" else 1
    wanted = np.eye(classes)[truth] if task == "classification" else truth[:, None]
    guess = np.empty(wanted.shape)
    for held in range(int(fold.max()) + 1):
        seen = fold != held
        counts = np.bincount(codes[seen], minlength=size)[:, None]
        sums = np.stack([np.bincount(codes[seen], wanted[seen, at], size) for at in range(classes)], axis=1)
        guess[~seen] = ((sums + wanted[seen].mean(axis=0)) / (counts + 1))[codes[~seen]]
    return (auc_macro_ovo(truth, guess) or 0.0) if task == "classification" else _r2(truth, guess[:, 0])


def _r2(truth: np.ndarray, guess: np.ndarray) -> float:
    return regression_scores(truth, guess).values.get("r2", 0.0)


def _parts(numbers: dict[str, np.ndarray], truth: np.ndarray) -> list[str]:
    """The columns whose plain sum or difference is the target."""
    names = list(numbers)
    if len(names) < 2 or len(truth) < 5 * len(names):
        return []
    table: Any = np.column_stack([*numbers.values(), np.ones(len(truth))])
    weights, *_ = np.linalg.lstsq(table, truth, rcond=None)
    if 1 - _r2(truth, table @ weights) > _EXACT:
        return []
    parts = [name for name, weight in zip(names, weights, strict=False) if abs(abs(weight) - 1) < 1e-3]
    others = [weight for weight in weights[:-1] if abs(abs(weight) - 1) >= 1e-3]
    return parts if 1 < len(parts) <= _PARTS and all(abs(weight) < 1e-3 for weight in others) else []
