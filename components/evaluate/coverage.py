"""Whether a model's intervals, or sets of classes, hold for the share of rows that they are made for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.base.numbers import written
from components.common.inference.intervals import LEEWAY, Intervals
from components.common.inference.plan import FOLDER, saved_plan
from components.common.inference.sklearn_predict import Answers
from components.common.reports import html

_CERTAIN = 3.0
"""Standard errors below the asked share at which a part is marked."""


@dataclass(frozen=True)
class Part:
    """Some of the rows: those of a class, or of a part of the predicted values."""

    name: str
    rows: int
    covered: float
    """The share of rows whose true value is in their interval or set."""
    size: float
    """The mean width of an interval in the target's unit, or number of classes of a set."""


@dataclass(frozen=True)
class Coverage:
    """How intervals or sets hold on the test rows."""

    level: float
    """The share that they are made for."""
    whole: Part
    parts: list[Part]
    sets: bool
    """Whether these are sets of classes."""

    @property
    def metrics(self) -> dict[str, float]:
        """`coverage`, and `interval_width` or `set_size`."""
        return {"coverage": self.whole.covered, "set_size" if self.sets else "interval_width": self.whole.size}


def saved_intervals(folder: str | os.PathLike[str]) -> Intervals | None:
    """What adds intervals to the answers of a saved model; None of one that was trained without them.

    Raises:
        Refusal: What is noted of the model is damaged.
    """
    plan = saved_plan(Path(folder))
    if plan is None or plan.raw.get("intervals") is None:
        return None
    try:
        return Intervals(plan.raw["intervals"], plan.classes)
    except (KeyError, TypeError, ValueError) as error:
        raise Refusal(f"the model's intervals cannot be read: {error}", where=str(Path(folder) / FOLDER)) from error


def coverage(truth: np.ndarray, found: Answers, intervals: Intervals) -> Coverage:
    """Counts the rows whose true value is in their interval or set.

    Args:
        truth: (rows,) labels or values.
        found: The model's answers, with probabilities if it is a classifier.
        intervals: What adds intervals to them.
    """
    if intervals.classes is None:
        ends = intervals.bounds(found.predicted)
        inside, sizes = (ends[:, 0] <= truth) & (truth <= ends[:, 1]), ends[:, 1] - ends[:, 0]
        part, names = intervals.part(found.predicted), _spans(intervals.edges)
    else:
        assert found.probabilities is not None  # training has refused classifiers without them
        members, names = intervals.members(found.probabilities), [str(name) for name in intervals.classes]
        at = {name: place for place, name in enumerate(names)}
        part = np.array([at.get(str(name), -1) for name in truth])
        inside, sizes = members[np.arange(len(truth)), part] & (part >= 0), members.sum(axis=1)
    parts = [
        Part(name, int(mine.sum()), float(inside[mine].mean()), float(sizes[mine].mean()))
        for number, name in enumerate(names)
        if (mine := part == number).any()
    ]
    whole = Part("all", len(truth), float(inside.mean()), float(sizes.mean()))
    return Coverage(intervals.level, whole, parts, intervals.classes is not None)


def coverage_section(found: Coverage) -> Any:
    """The part of the report that says how intervals or sets hold."""
    what, size, by = (
        ("Sets of classes", "mean classes", "true class")
        if found.sets
        else ("Intervals", "mean width", "predicted value")
    )
    of_class = 1 - LEEWAY * (1 - found.level) if found.sets else found.level
    rows, kinds = [], []
    for one in [found.whole, *found.parts]:
        asked = found.level if one is found.whole else of_class
        below = asked - one.covered > _CERTAIN * np.sqrt(asked * (1 - asked) / one.rows)
        said = html.badge("failed", "below") if below else ""
        rows.append([one.name, one.rows, f"{one.covered:.1%}", written(one.size), said])
        kinds.append("failed" if below else "")
    note = f"{what} are made to hold the true value of {found.level:.0%} of the rows to come"
    note += f", and of {of_class:.0%} of each class" if found.sets else ""
    note += (
        f". Of the test rows they hold {found.whole.covered:.1%}; less than asked by three standard errors is marked."
    )
    heads = [by, "rows", "hold", size, "remark"]
    return html.section(what, html.table(heads, rows, numeric=["rows", "hold", size], row_classes=kinds), note=note)


def _spans(edges: np.ndarray) -> list[str]:
    """Names of the parts between edges."""
    if not len(edges):
        return ["any"]
    ends = [written(edge) for edge in edges]
    middle = [f"{low} to {high}" for low, high in pairwise(ends)]
    return [f"below {ends[0]}", *middle, f"{ends[-1]} and above"]
