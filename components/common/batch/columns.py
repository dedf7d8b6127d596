"""The columns of predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.inference import Answered, Predictor

PREDICTION, PROBABILITY, VERSION = "prediction", "probability", "model_version"
LOW, HIGH, SET = "prediction_low", "prediction_high", "prediction_set"


def output_names(kept: Sequence[str], predictor: Predictor, each: bool, intervals: bool) -> list[str]:
    """The names of all columns of the output, in their order.

    Args:
        kept: Columns of the table that go along.
        predictor: The model.
        each: Whether there is a column of probabilities per class.
        intervals: Whether there are columns of intervals, or one of sets of classes.

    Raises:
        Refusal: A column of the table is called as one of the answers is, or the model has no intervals.
    """
    if intervals and predictor.intervals is None:
        raise Refusal(
            "this model has no intervals",
            where="intervals",
            rule="a model that was trained with train.intervals",
            mend="train it with train.intervals: 0.9",
        )
    own = [PREDICTION]
    if intervals:
        own += [LOW, HIGH] if predictor.classes is None else [SET]
    if predictor.classes is not None:
        own += [PROBABILITY, *(_of_class(name) for name in predictor.classes if each)]
    own.append(VERSION)
    for name in kept:
        if name in own:
            raise Refusal(
                f"the table has a column {name!r}, and so has the output",
                where="the columns that are kept",
                mend="rename it, or say which columns to keep: --id NAME, or --keep none",
            )
    return [*kept, *own]


def answer_columns(
    predictor: Predictor, answered: Answered, each: bool, intervals: bool, version: str
) -> dict[str, pa.Array]:
    """What a model has answered, as columns.

    Args:
        predictor: The model.
        answered: Its answers.
        each: Whether there is a column of probabilities per class.
        intervals: Whether there are columns of intervals, or one of sets of classes, as JSON.
        version: The model's.
    """
    import pyarrow as pa

    rows = len(answered.predicted)
    if predictor.classes is None:
        found = {PREDICTION: pa.array(np.asarray(answered.predicted, "float64"))}
        if intervals and predictor.intervals is not None:
            ends = predictor.intervals.bounds(np.asarray(answered.predicted, "float64"))
            found |= {LOW: pa.array(ends[:, 0].copy()), HIGH: pa.array(ends[:, 1].copy())}
    else:
        found = {PREDICTION: pa.array(answered.predicted.tolist(), pa.string())}
        if intervals and predictor.intervals is not None and answered.probabilities is not None:
            sets = predictor.intervals.sets(answered.probabilities)
            found[SET] = pa.array([json.dumps(one, ensure_ascii=False) for one in sets], pa.string())
        shares = answered.probabilities
        best = shares.max(axis=1) if shares is not None and rows else np.zeros(rows)
        # Without probabilities, as some classifiers are, the columns are there and hold nothing.
        found[PROBABILITY] = pa.array(best) if shares is not None else pa.nulls(rows, pa.float64())
        for at, name in enumerate(predictor.classes if each else ()):
            share = None if shares is None else np.ascontiguousarray(shares[:, at])
            found[_of_class(name)] = pa.nulls(rows, pa.float64()) if share is None else pa.array(share)
    found[VERSION] = pa.repeat(version, rows)
    return found


def _of_class(name: str) -> str:
    return f"{PROBABILITY}_{name}"
