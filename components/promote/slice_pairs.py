"""What the candidate and the champion score slice by slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.slices import parts_of

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.promote import PromoteArgument


@dataclass(frozen=True)
class SlicePair:
    """What both models score on some of the rows: the share of right answers, or the mean absolute error."""

    column: str
    name: str
    rows: int
    champion: float
    candidate: float
    lost: float
    """In the unit of guards.slice_drop: of the share of right answers, or as a share of the champion's error. Below 0:
    gained."""


def slice_pairs(
    section: PromoteArgument, rows: pd.DataFrame, truth: np.ndarray, found: Answers, former: Answers
) -> list[SlicePair]:
    """Compares both models on the rows of each class and of each value of the slice columns.

    Args:
        section: The columns to slice by.
        rows: The untouched rows.
        truth: (rows,) labels or values.
        found: The candidate's answers.
        former: The champion's.

    Returns:
        The slices, those that lose most first.
    """
    labels = section.task == "classification"
    parts = {name: parts_of(rows[name]) for name in section.slices if name != section.target or not labels}
    if labels:
        named = [(name, np.flatnonzero(truth == name)) for name in sorted(set(truth))]
        parts = {f"class of {section.target}": named, **parts}
    good = [one.predicted == truth if labels else np.abs(one.predicted - truth) for one in (found, former)]
    pairs = []
    for column, cut in parts.items():
        for name, mine in cut:
            if len(mine):
                candidate, champion = (float(one[mine].mean()) for one in good)
                lost = champion - candidate if labels else _grown(champion, candidate)
                pairs.append(SlicePair(column, name, len(mine), champion, candidate, lost))
    return sorted(pairs, key=lambda one: (-one.lost, one.column, one.name))


def _grown(former: float, error: float) -> float:
    """By which share an error grew."""
    if former == error:
        return 0.0
    return (error - former) / former if former else float("inf")
