"""The candidate and the champion as saved models: opened, told whether they fit, and timed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal, some
from components.common.inference.plan import FOLDER
from components.common.inference.predictor import Answered, Predictor, load_predictor
from components.common.inference.saved_model import absent_columns, load, refuse_absent
from components.common.inference.sklearn_predict import Answers, ask, classes_of, unwrapped
from components.promote.signatures import differences

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.promote import PromoteArgument

_FEWEST, _MOST, _WARM_UP = 7, 20, 2
"""Rows that are timed, after some that warm up."""
_SECONDS = 0.1
"""After which no more than the fewest are timed."""


@dataclass(frozen=True)
class SavedModel:
    """A model as it was loaded."""

    estimator: str
    """What it is made by, for people."""
    ask: Callable[[pd.DataFrame], Answers]
    """Answers rows as training did."""
    serve: Callable[[pd.DataFrame], object]
    """Answers rows as a server does: compiled, where that could be done."""
    signature: Any
    classes: list[str] | None
    """A classifier's; None of a regressor."""
    bytes: int
    """Of all its files."""


def open_candidate(section: PromoteArgument, path: str | os.PathLike[str], test: pd.DataFrame) -> SavedModel:
    """Loads the candidate.

    Raises:
        Refusal: It is no model, is for the other task, or the rows lack a column that it needs.
    """
    candidate, description = _opened(path)
    refuse_absent(description, test, str(path))
    if other := _other_task(section, candidate):
        raise Refusal(f"the model is {other}", where="promote", rule=f"a model for the task {section.task}")
    return candidate


def _opened(path: str | os.PathLike[str]) -> tuple[SavedModel, Any]:
    try:
        pipeline, description = load(path)
    except ModuleNotFoundError as absent:  # of another library than this environment, or image, holds
        return _compiled(path, absent)
    if description.signature is None:
        raise Refusal("the model has no signature", where=str(path), rule="a model saved with its signature")
    estimator, serve = pipeline[-1], _served(path, pipeline)
    name, classes = type(unwrapped(estimator)).__name__, classes_of(estimator)
    return (
        SavedModel(name, lambda rows: ask(pipeline, rows), serve, description.signature, classes, _size(path)),
        description,
    )


def _compiled(path: str | os.PathLike[str], absent: ModuleNotFoundError) -> tuple[SavedModel, Any]:
    """Opens a model by its compiled form alone, which needs no library of its estimator.

    Raises:
        Refusal: It has none.
    """
    from mlflow.models import Model

    description = Model.load(str(path))
    predictor = load_predictor(Path(path)) if (Path(path) / FOLDER).is_dir() else None
    if predictor is None or predictor.path != "compiled":
        raise Refusal(f"it cannot be loaded: {absent}", where=str(path)) from absent

    def answered(rows: pd.DataFrame) -> Answers:
        found = _asked(predictor, rows)
        if found.faults:
            raise ValueError(f"column {found.faults[0].column}: {found.faults[0].rule}")
        return Answers(found.predicted, found.probabilities)

    name = str((description.metadata or {}).get("model", "another library"))
    return SavedModel(
        name, answered, lambda rows: _asked(predictor, rows), description.signature, predictor.classes, _size(path)
    ), description


def _asked(predictor: Predictor, rows: pd.DataFrame) -> Answered:
    return predictor.answer({name: rows[name].to_numpy() for name in predictor.columns if name in rows}, len(rows))


def _size(path: str | os.PathLike[str]) -> int:
    return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())


def _served(path: str | os.PathLike[str], pipeline: Any) -> Callable[[pd.DataFrame], object]:
    if not (Path(path) / FOLDER).is_dir():  # a model that was not made by the step train
        return lambda rows: ask(pipeline, rows)
    predictor = load_predictor(Path(path))
    return lambda rows: _asked(predictor, rows)


def _other_task(section: PromoteArgument, model: SavedModel) -> str:
    if (model.classes is None) == (section.task == "regression"):
        return ""
    return "a regressor" if model.classes is None else "a classifier"


def open_champion(
    section: PromoteArgument, candidate: SavedModel, path: str | os.PathLike[str], test: pd.DataFrame
) -> tuple[SavedModel | None, str, list[str]]:
    """Loads the champion, or finds out why it cannot be asked.

    Returns:
        The champion or None, why it cannot be asked, and how the candidate's signature differs from its.
    """
    try:
        champion, description = _opened(path)
    except Refusal as refusal:
        return None, refusal.problem, []
    except Exception as error:  # a pickle of other packages can fail in any way
        return None, f"it cannot be loaded: {error}", []
    signature = differences(candidate.signature, champion.signature, candidate.classes, champion.classes)
    if other := _other_task(section, champion):
        return None, f"it is {other}", signature
    if absent := absent_columns(description, test):
        return None, f"column(s) that it needs are absent: {some(absent)}", signature
    return champion, "", signature


def latencies(models: list[SavedModel], table: pd.DataFrame) -> list[float]:
    """The median milliseconds that each model, as it is served, takes for one row.

    They are asked in turn, so that a busy moment is busy for all, and each by one thread.
    """
    from threadpoolctl import threadpool_limits

    places = np.linspace(0, len(table) - 1, _WARM_UP + _MOST).round().astype(int)
    np.random.default_rng(0).shuffle(places)  # those that are timed are from all of the table, however few
    times: list[list[float]] = [[] for _ in models]
    end = time.perf_counter() + _SECONDS
    with threadpool_limits(1):
        for count, at in enumerate(places):
            if count >= _WARM_UP + _FEWEST and time.perf_counter() > end:
                break
            row = table.iloc[[at]]
            for model, mine in zip(models, times, strict=True):
                start = time.perf_counter()
                model.serve(row)
                mine.append((time.perf_counter() - start) * 1000)
    return [float(np.median(mine[_WARM_UP:])) for mine in times]
