"""Scoring the candidate and the champion on the same rows, which neither was trained on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal
from components.common.config.promote import sign_of
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.baseline import Baseline, saved_baseline
from components.common.metrics.bootstrap import interval
from components.common.metrics.scores import Scores, scored
from components.common.metrics.slices import refuse_unknown_slices
from components.common.metrics.targets import target_values
from components.promote.leakage import SplitChange, untouched_rows
from components.promote.saved_models import SavedModel, latencies, open_candidate, open_champion
from components.promote.slice_pairs import SlicePair, slice_pairs

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.promote import PromoteArgument

_TEST = "test split"
_FEWEST_ROWS, _LEAST_SHARE = 30, 0.1
"""Where rows are left out, so many and such a share of them must remain for a comparison to mean something."""


@dataclass(frozen=True)
class Judged:
    """One model on the untouched rows."""

    estimator: str
    scores: Scores
    answers: Answers
    latency_ms: float
    """The median time of the answer to one row, as the model is served."""
    bytes: int
    """Of the saved model's files."""
    classes: list[str] | None
    """A classifier's classes; None of a regressor."""


@dataclass(frozen=True)
class Guessed:
    """What guessing by the candidate's training target scores on the same rows."""

    scores: dict[str, float]
    difference: float | None
    """Of the metric; above 0 where the candidate is better; None where one of the scores cannot be worked out."""
    interval: tuple[float, float] | None
    """Of the difference; worked out where there is no champion to compare with."""


@dataclass(frozen=True)
class Comparison:
    """All that a verdict needs."""

    rows: int
    """Rows that the scores are of."""
    left_out: int | None
    """Test rows that the champion was trained on, left out; None: what it was trained on is not known."""
    candidate: Judged
    champion: Judged | None
    """None: there is none yet, or it cannot be asked."""
    unfit: str
    """Why the champion cannot be compared with; empty otherwise."""
    signature: list[str]
    """How the two signatures differ, in words."""
    difference: float | None
    """Of the metric; above 0 where the candidate is better, whichever way the metric goes."""
    interval: tuple[float, float] | None
    """Of the difference."""
    resamples: int
    """That the interval comes of."""
    slices: list[SlicePair]
    """The worst first."""
    split: SplitChange = field(default_factory=SplitChange)
    """How the rows were dealt when the champion was trained, and now."""
    guessed: Guessed | None = None
    """None: the candidate does not tell what to guess by."""


def compare(
    section: PromoteArgument,
    candidate_path: str | os.PathLike[str],
    champion_path: str | os.PathLike[str] | None,
    test: pd.DataFrame,
    seen: Sequence[pd.DataFrame] | None,
    split: SplitChange | None = None,
) -> Comparison:
    """Scores both models and works out what differs.

    Args:
        section: The metric, the slices and the bootstrap.
        candidate_path: The folder of the candidate.
        champion_path: The folder of the champion; None where there is none yet.
        test: The test split of the candidate's table.
        seen: The tables that the champion was trained and tuned on; None where they are not known.
        split: How the rows were dealt when the champion was trained, and now, as far as it is known.

    Raises:
        Refusal: The candidate cannot be asked, a slice column is absent, or the target is not fit to score. A champion
            that cannot be asked is no such fault; `unfit` says why.
    """
    split = split or SplitChange()
    refuse_unknown_slices(section.slices, test, _TEST)
    candidate = open_candidate(section, candidate_path, test)
    target_values(test, section.target, section.task, _TEST)  # all rows, those left out too, must be fit
    champion, unfit = None, ""
    signature: list[str] = []
    if champion_path is not None:
        champion, unfit, signature = open_champion(section, candidate, champion_path, test)
    rows = test
    left_out: int | None = 0
    if champion is not None:
        rows, left_out, unfit = _untouched(test, seen, split)
        champion = None if unfit else champion
    truth = target_values(rows, section.target, section.task, _TEST)
    try:
        found = candidate.ask(rows)
    except ValueError as error:
        raise Refusal(f"the model cannot answer: {error}", where=_TEST) from error
    former = None
    if champion is not None:
        try:
            former = champion.ask(rows)
        except Exception as error:  # whatever an old model trips over is no fault of the candidate
            unfit = f"it cannot answer these rows: {error}"
    times = latencies([candidate] if champion is None or former is None else [candidate, champion], rows)
    mine = _judged(candidate, truth, found, times[0])
    compared = champion is not None and former is not None
    guessed = _guessed(section, truth, mine, saved_baseline(Path(candidate_path)), with_interval=not compared)
    alone = Comparison(len(rows), left_out, mine, None, unfit, signature, None, None, 0, [], split, guessed)
    if champion is None or former is None:
        return alone
    return _against(section, rows, truth, alone, _judged(champion, truth, former, times[1]))


def _untouched(
    test: pd.DataFrame, seen: Sequence[pd.DataFrame] | None, split: SplitChange
) -> tuple[pd.DataFrame, int | None, str]:
    """The rows to score both on, how many were left out, and why too few remain; then all rows, for the candidate."""
    if split.mixed:
        return test, 0, split.mixed
    if seen is None:
        return test, None, ""
    fresh = untouched_rows(test, seen, split.now)
    left = int(fresh.sum())
    if left < len(test) and (left < _FEWEST_ROWS or left < _LEAST_SHARE * len(test)):
        because = f" (its split was {split.before}; now it is {split.now})" if split.differs else ""
        return test, 0, f"only {left:,} of {len(test):,} test rows are untouched by the champion{because}"
    return test[fresh], len(test) - left, ""


def _against(
    section: PromoteArgument, rows: pd.DataFrame, truth: np.ndarray, alone: Comparison, other: Judged
) -> Comparison:
    """Adds the champion, the difference, its interval and the slices."""
    one, both = alone.candidate, replace(alone, champion=other)
    slices = slice_pairs(section, rows, truth, one.answers, other.answers)
    mine, theirs = one.scores.values.get(section.metric), other.scores.values.get(section.metric)
    if mine is None or theirs is None:
        return replace(both, slices=slices)
    low, high, resamples = interval(section, truth, one.answers, other.answers, one.classes, other.classes)
    return replace(
        both,
        difference=sign_of(section.metric) * (mine - theirs),
        interval=(low, high) if resamples else None,
        resamples=resamples,
        slices=slices,
    )


def _guessed(
    section: PromoteArgument, truth: np.ndarray, mine: Judged, baseline: Baseline | None, *, with_interval: bool
) -> Guessed | None:
    if baseline is None:
        return None
    scores = baseline.scores(truth)
    value, guess = mine.scores.values.get(section.metric), scores.get(section.metric)
    if value is None or guess is None:
        return Guessed(scores, None, None)
    low, high, resamples = 0.0, 0.0, 0
    if with_interval:
        answers = baseline.answers(len(truth), section.metric)
        low, high, resamples = interval(section, truth, mine.answers, answers, mine.classes, baseline.classes)
    return Guessed(scores, sign_of(section.metric) * (value - guess), (low, high) if resamples else None)


def _judged(model: SavedModel, truth: np.ndarray, found: Answers, latency: float) -> Judged:
    scores = scored(truth, found, model.classes)
    return Judged(model.estimator, scores, found, latency, model.bytes, model.classes)
