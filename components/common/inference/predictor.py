"""A model that answers: from raw columns to classes, probabilities or numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal, nearest, some
from components.common.inference.coerce import Fault, Typed, Values, typed
from components.common.inference.estimators import Estimator, Fitted, load_compiled
from components.common.inference.features import Features
from components.common.inference.intervals import Intervals
from components.common.inference.plan import FOLDER, Plan, plan_of_pipeline, saved_plan
from components.common.inference.sklearn_fallback import Whole, load_fitted

if TYPE_CHECKING:
    from components.common.config.reading import Reading

UTF8 = "utf-8-sig"
"""UTF-8, with or without a byte order mark."""
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Answered:
    """The answers to some rows."""

    kept: np.ndarray
    """(good,) the indices of the rows that were answered."""
    predicted: np.ndarray
    """(good,) class labels (str), or float64 in the target's unit."""
    probabilities: np.ndarray | None = None
    """(good, classes) in the order of the model's classes; None of a regressor, or of a model that has none."""
    faults: list[Fault] = field(default_factory=list)
    """Why the other rows were not, by row."""
    unknown: dict[str, int] = field(default_factory=dict)
    """Categorical column to the number of its values that were unknown in training; they are served."""
    strange: dict[str, str] = field(default_factory=dict)
    """Such a column to the first such value."""
    looked: int = 0
    """Rows whose values are of their kinds."""
    given: dict[str, int] = field(default_factory=dict)
    """Column to the number of its values that are there, where that was asked for."""


class Predictor:
    """Answers rows; may be asked by several threads at once.

    Args:
        plan: What the model is asked with.
        features: From columns to features; None where scikit-learn makes them.
        estimator: What answers features, or, without `features`, a table.
        path: compiled, compiled features, or scikit-learn.
        why: Why it is not compiled; empty if it is.
        example: Rows that it may be asked with.
    """

    def __init__(
        self, plan: Plan, features: Features | None, estimator: Estimator | Whole, path: str, why: str, example: list
    ):
        self.task, self.target, self.classes = plan.task, plan.target, plan.classes
        self.columns, self.optional = plan.columns, plan.optional
        self.derived, self.choices, self.complete = tuple(plan.derive), plan.choices, plan.complete
        self.ways = plan.ways
        self._reading = plan.reading
        reading = self.reading if plan.reading else None  # pydantic is not imported for nothing
        encoding = (reading and reading.encoding) or UTF8
        self.csv = (reading and reading.delimiter) or ",", UTF8 if encoding.lower() in ("utf-8", "utf8") else encoding
        """Delimiter and encoding of a CSV."""
        self.path, self.why, self.example = path, why, example
        noted = plan.raw.get("intervals")
        self.intervals = None if noted is None else Intervals(noted, plan.classes)
        """What adds intervals, or sets of classes, to answers; None where training was not asked for them."""
        self._features = features
        self._estimator: Any = estimator  # of features, or of typed columns where there are none
        self._needed = [name for name in plan.columns if name not in plan.optional]
        self._categories = {name: frozenset(values) for name, values in plan.choices.items()}
        self._labels = None if plan.classes is None else np.array(plan.classes, dtype=object)

    @property
    def reading(self) -> Reading:
        """How its training table was written, whatever format that had."""
        from components.common.config.reading import Reading

        return Reading.model_validate({**self._reading, "format": "auto"})

    def read_as(self, reading: Reading) -> Reading:
        """Takes values as another reading has them from now on; returns it."""
        self.ways = reading.ways(self.columns)
        return reading

    def answer(self, columns: Mapping[str, Values], rows: int, count_given: bool = False) -> Answered:
        """Answers rows.

        Args:
            columns: Column to its values, Python's (None where missing, `ABSENT` where a record has no such key) or a
                numpy array; those that are not the model's are ignored.
            rows: How many rows; each column has that many values.
            count_given: Whether to count the values of each column that are there.

        Raises:
            Refusal: A column that the model needs is absent.
        """
        for name in self._needed:
            if name not in columns:
                raise self._absent(columns)
        values, faults = typed(columns, self.columns, self.optional, rows, self.ways)
        kept = np.arange(rows)
        if faults:
            kept, values = _without(values, faults, rows)
        looked = len(kept)
        given = {name: _given(one) for name, one in values.items()} if count_given else {}
        if self._features is None:
            unknown = {name: new for name in self._categories if (new := self._unknown(name, values))}
            found, probabilities = self._estimator.answer(values) if len(kept) else _nothing(self.classes)
        else:
            matrix, unknown = self._features.make(values, len(kept))
            if not self._fit(matrix) and (more := self._unfit(self._features, matrix, values, kept)):
                good = ~np.isin(kept, [fault.row for fault in more])
                kept, matrix = kept[good], matrix[good]
                faults = sorted([*faults, *more], key=lambda fault: fault.row)
            found, probabilities = self._estimator.answer(matrix) if len(matrix) else _nothing(self.classes)
        predicted = found if self._labels is None else self._labels[found]
        counts = {name: len(new) for name, new in unknown.items()}
        strange = {name: new[0] for name, new in unknown.items()}
        return Answered(kept, predicted, probabilities, faults, counts, strange, looked, given)

    def _unknown(self, name: str, values: Mapping[str, Typed]) -> list[str]:
        """The values of a categorical column that were unknown in training."""
        known = self._categories[name]
        return [value for value in values[name] if value is not None and value not in known]

    def _fit(self, matrix: np.ndarray) -> bool:
        """Whether all features are ordinary numbers, which the estimator takes; true of nearly all requests."""
        if matrix.size == 0:
            return True
        top = np.abs(matrix).max()
        return bool(top <= (_LARGEST if self._estimator.single else np.inf) and top != np.inf)  # NaN is neither

    def _unfit(
        self, features: Features, matrix: np.ndarray, values: Mapping[str, Typed], rows: np.ndarray
    ) -> list[Fault]:
        """The faults of rows with features that the estimator does not take, told by the columns that were asked."""
        missing = np.isnan(matrix)
        bad = np.abs(matrix) > (_LARGEST if self._estimator.single else np.finfo(np.float64).max)
        if not self._estimator.takes_missing:
            bad |= missing
        faults = []
        for at in np.flatnonzero(bad.any(axis=1)):
            feature = int(bad[at].argmax())
            column = made = features.origins[feature]
            while column in features.derive:
                way = features.derive[column]
                column = (way.get("join") or way.get("ratio") or way["difference"])[0]
            rule = "a value: this model needs one" if missing[at, feature] else f"a size of at most {_LARGEST:.1e}"
            if made != column:
                rule += f" of {made}, which is made of it"
            held = values[column]
            shown = float(held[at]) if isinstance(held, np.ndarray) and not np.isnan(held[at]) else None
            faults.append(Fault(int(rows[at]), column, shown, rule))
        return faults

    def _absent(self, columns: Mapping[str, Values]) -> Refusal:
        absent = [name for name in self._needed if name not in columns]
        strangers = [name for name in columns if name not in self.columns]
        return Refusal(
            f"column(s) missing that the model needs: {some(absent)}",
            where=absent[0],
            rule="all columns of the model's signature but those that may be absent",
            mend=nearest(absent[0], strangers) if strangers else "add it; null stands for a missing value",
        )


def load_predictor(folder: str | Path) -> Predictor:
    """Opens a saved model.

    Args:
        folder: An MLflow model folder that the step train has made.

    Raises:
        Refusal: It is none, or is damaged.
    """
    folder = Path(folder)
    if not (folder / "MLmodel").is_file():
        raise Refusal("no saved model", where=str(folder), rule="a folder in MLflow's format, with a file MLmodel")
    example = _example(folder)
    compiled = folder / FOLDER
    plan = saved_plan(folder)
    if plan is not None and plan.estimator is not None:
        try:
            return Predictor(plan, Features(plan.raw), load_compiled(compiled, plan.estimator), "compiled", "", example)
        except Refusal:
            raise
        except Exception as error:  # whatever numpy and ONNX Runtime say of a damaged file
            raise Refusal(f"the compiled model cannot be opened: {error}", where=str(compiled)) from error
    pipeline = load_fitted(folder)
    plan = plan or plan_of_pipeline(pipeline, folder)
    if plan.raw.get("blocks") is not None:
        return Predictor(plan, Features(plan.raw), Fitted(pipeline[-1]), "compiled features", plan.why, example)
    return Predictor(plan, None, Whole(pipeline, plan), "scikit-learn", plan.why, example)


def _example(folder: Path) -> list[dict[str, Any]]:
    """The model's input example as records; none where it has none."""
    try:
        held = json.loads((folder / "input_example.json").read_text())
        rows = [dict(zip(held["columns"], row, strict=True)) for row in held["data"]]
        return [{name: None if value != value else value for name, value in row.items()} for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _without(values: dict[str, Any], faults: list[Fault], rows: int) -> tuple[np.ndarray, dict[str, Any]]:
    """Leaves out the rows that have a fault."""
    good = np.ones(rows, dtype=bool)
    good[[fault.row for fault in faults]] = False
    kept = np.flatnonzero(good)
    return kept, {
        name: column[kept] if isinstance(column, np.ndarray) else [column[row] for row in kept]
        for name, column in values.items()
    }


def _nothing(classes: list[str] | None) -> tuple[np.ndarray, np.ndarray | None]:
    if classes is None:
        return np.empty(0), None
    return np.empty(0, dtype=np.intp), np.empty((0, len(classes)))


def _given(values: Typed) -> int:
    return len(values) - (int(np.isnan(values).sum()) if isinstance(values, np.ndarray) else values.count(None))
