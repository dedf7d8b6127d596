"""The compiled form of a model: written beside it, and used only if it answers as scikit-learn does."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.numbers import written
from components.common.inference.estimators import FOREST, LINEAR, VALUES
from components.common.inference.network import FILE as NETWORK
from components.common.inference.plan import FILE
from components.common.inference.sklearn_predict import Answers, unwrapped
from components.train.compiling.blocks import noted_blocks
from components.train.compiling.boosters import OF_LIBRARY
from components.train.compiling.not_compiled import NotCompiled
from components.train.compiling.trees import ensemble_of, graph, leaves_of

if TYPE_CHECKING:
    import pandas as pd

PROBABILITY_DIFFERENCE = 1e-5
"""Most that a probability may differ from scikit-learn's."""
RELATIVE_DIFFERENCE = 1e-9
"""Most that a number may differ, as a share of its size (of 1 where it is smaller)."""
SINGLE_DIFFERENCE = 2.5e-7
"""The same of a library that computes in float32: two steps of that."""
_LINEAR = ("LogisticRegression", "Ridge", "LinearRegression", "Lasso", "ElasticNet", "RidgeCV")


@dataclass(frozen=True)
class Compiled:
    """What became of compiling a model."""

    folder: Path
    """Holds its files; belongs to whoever asked."""
    path: str
    """compiled, compiled features, or scikit-learn."""
    why: str
    """Why not all of it is compiled; empty if it is."""
    rows: int
    """Validation rows that both have answered."""
    difference: float
    """The largest difference of a probability, or of a number as a share of its size."""


def compile_model(
    pipeline: Any,
    noted: dict[str, Any],
    table: pd.DataFrame,
    expected: Answers,
    folder: Path,
    proven: Compiled | None = None,
) -> Compiled:
    """Compiles a fitted pipeline, and asks the compiled form for rows that scikit-learn has answered.

    Args:
        pipeline: columns, features, model.
        noted: What `noted_of` and the step note of it; the compiled form is added.
        table: The validation split, raw columns.
        expected: scikit-learn's answers to it.
        folder: An empty folder for the files.
        proven: What became of the same model before it learnt from these rows too: no more of it is compiled.

    Returns:
        What became of it. Its plan says what answers: the compiled estimator only if all classes were equal and no
        probability or number differed by more than is allowed.
    """
    why = ""
    if proven is not None and proven.path == "scikit-learn":
        return _written(folder, noted, proven.why, proven.path)
    try:
        noted |= noted_blocks(pipeline[1])
    except NotCompiled as reason:
        return _written(folder, noted, str(reason), "scikit-learn")
    estimator = None
    try:
        if proven is not None and proven.path != "compiled":
            raise NotCompiled(proven.why)
        blocks = noted["blocks"]
        estimator = _estimator(pipeline[-1], blocks, noted["width"], folder)
    except NotCompiled as reason:
        why = str(reason)
    attempts = [("compiled", estimator, "")] * (estimator is not None) + [("compiled features", None, why)]
    for path, part, before in attempts:
        rows, difference, fault = _compared(noted, part, pipeline, folder, table, expected)
        if not fault:
            noted["estimator"] = part
            return _written(folder, noted, before or why, path, rows, difference)
        why = fault
    del noted["blocks"], noted["width"]
    return _written(folder, noted, why, "scikit-learn")


def _estimator(estimator: Any, blocks: Sequence[Mapping[str, Any]], width: int, folder: Path) -> dict[str, Any]:
    """Writes the compiled estimator of the features that some blocks make; returns how it is opened."""
    kind = type(estimator).__name__
    if kind.startswith("Blended"):
        return {"kind": "blend", "members": list(_members(estimator, blocks, folder))}
    if kind == "LogTarget":
        inside = _estimator(estimator.estimator_, blocks, width, folder)
        if inside["kind"] != "linear":
            raise NotCompiled("the logarithm of a target has a compiled form in linear models alone")
        return {**inside, "link": "logarithm", "within": [estimator.low_, estimator.high_]}
    if kind in _LINEAR:
        coef = np.atleast_2d(estimator.coef_)
        intercept = np.broadcast_to(np.atleast_1d(estimator.intercept_), (len(coef),))
        np.savez(folder / LINEAR, coef=coef, intercept=intercept)
        classes = getattr(estimator, "classes_", None)
        return {
            "kind": "linear",
            "link": "identity" if classes is None else "logistic" if len(coef) == 1 else "softmax",
        }
    if type(inside := unwrapped(estimator)).__name__ in ("MLPClassifier", "MLPRegressor"):
        return _network(estimator, inside, folder)
    estimator = inside
    read = OF_LIBRARY.get(type(estimator).__module__.partition(".")[0], ensemble_of)
    ensemble = read(estimator)
    leaves, offsets = leaves_of(ensemble)
    missing = any(_leaves_missing(block) for block in blocks)
    (folder / FOREST).write_bytes(graph(ensemble, width, missing))
    np.save(folder / VALUES, leaves)
    return {**ensemble.note, "offsets": offsets, "missing": missing}


def _members(blended: Any, blocks: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    for at, (member, weight, fitted) in enumerate(zip(blended.members, blended.weights, blended.fitted_, strict=True)):
        _, first, end, _ = member
        own = folder / str(at)
        own.mkdir(exist_ok=True)
        mine = [block for block in blocks if first <= block["at"] < end]
        opened = _estimator(fitted, mine, end - first, own)
        yield {**opened, "folder": own.name, "from": first, "to": end, "weight": weight}


def _leaves_missing(block: Mapping[str, Any]) -> bool:
    """Whether features of a block may be NaN."""
    if block["kind"] == "categorical":
        return block["encode"] == "native"
    return (block["kind"] == "numerical" and block["impute"] is None) or (
        block["kind"] == "date" and block["median"] is None
    )


def _network(estimator: Any, inside: Any, folder: Path) -> dict[str, Any]:
    """Writes a neural network; what is around one that learnt a scaled target has the scale."""
    if inside.out_activation_ not in ("identity", "logistic", "softmax"):
        raise NotCompiled(f"its output {inside.out_activation_} has no compiled form")
    if inside.out_activation_ == "logistic" and inside.n_outputs_ > 1:
        raise NotCompiled("it has several outputs")
    arrays = {f"weight{at}": layer for at, layer in enumerate(inside.coefs_)}
    arrays |= {f"bias{at}": layer for at, layer in enumerate(inside.intercepts_)}
    target = [getattr(estimator, "mean_", 0.0), getattr(estimator, "scale_", 1.0)]
    np.savez(folder / NETWORK, **arrays, target=np.array(target))
    return {"kind": "network", "activation": inside.activation, "link": inside.out_activation_}


def _compared(
    noted: Mapping[str, Any],
    part: Mapping[str, Any] | None,
    pipeline: Any,
    folder: Path,
    table: pd.DataFrame,
    expected: Answers,
) -> tuple[int, float, str]:
    """Asks for the validation rows.

    Returns:
        Rows, the largest difference, and what is wrong; empty if nothing is.
    """
    from components.common.inference.estimators import Fitted, load_compiled
    from components.common.inference.features import Features
    from components.common.inference.plan import plan_of
    from components.common.inference.predictor import Predictor

    plan = plan_of(noted)
    try:
        opened = Fitted(pipeline[-1]) if part is None else load_compiled(folder, part)
    except Exception as error:  # ONNX Runtime may refuse a graph for reasons of its own
        return 0, 0.0, f"it cannot be opened: {error}"
    predictor = Predictor(plan, Features(noted), opened, "", "", [])
    columns = {name: table[name].to_numpy() for name in plan.columns if name in table}
    found = predictor.answer(columns, len(table))
    if found.faults:
        fault = found.faults[0]
        return len(table), 0.0, f"it refuses {len(found.faults)} validation rows ({fault.column}: {fault.rule})"
    if plan.classes is not None and (different := int((found.predicted != expected.predicted).sum())):
        return len(table), 0.0, f"{different} of {len(table)} validation rows got another class"
    if plan.classes is None:
        size = np.maximum(np.abs(expected.predicted), 1.0)
        difference = float((np.abs(found.predicted - expected.predicted) / size).max())
        most = SINGLE_DIFFERENCE if part and part.get("sums") == "float32" else RELATIVE_DIFFERENCE
    elif expected.probabilities is not None:
        difference = float(np.abs(found.probabilities - expected.probabilities).max())
        most = PROBABILITY_DIFFERENCE
    else:
        return len(table), 0.0, ""
    # Not `difference > most`: NaN is no agreement.
    return len(table), difference, "" if difference <= most else f"answers differ by up to {written(difference)}"


def _written(
    folder: Path, noted: dict[str, Any], why: str, path: str, rows: int = 0, difference: float = 0.0
) -> Compiled:
    kept = noted.get("estimator") is not None
    if not kept:
        for name in (FOREST, VALUES, LINEAR, NETWORK):
            for file in folder.rglob(name):
                file.unlink()
    noted["why"] = why
    (folder / FILE).write_text(json.dumps(noted, ensure_ascii=False), encoding="utf-8")
    return Compiled(folder, path, why, rows, difference)
