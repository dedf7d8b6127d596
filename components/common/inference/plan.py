"""What is noted of a model beside its estimator: columns, kinds, features. Kept as `compiled/plan.json`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    from components.common.config.base import Kind, Task

FOLDER, FILE, FORMAT = "compiled", "plan.json", 1


@dataclass(frozen=True)
class Plan:
    """What a model is asked with, and how it answers."""

    task: Task
    target: str
    classes: list[str] | None
    """A classifier's classes in the order of its probabilities."""
    columns: dict[str, Kind]
    """Raw column to kind, in the order of the signature."""
    optional: frozenset[str]
    """Raw columns that may be absent."""
    derive: dict[str, dict[str, Any]]
    choices: dict[str, list[str]]
    """Categorical column to the values that it had in training."""
    complete: tuple[str, ...]
    """Columns that no row of the training split missed."""
    ways: dict[str, dict[str, Any]]
    """Column to how its values are written, where that is not the usual one."""
    reading: dict[str, Any]
    """How the training table's file was read, a `Reading`; only what differs from its defaults."""
    estimator: Mapping[str, Any] | None
    """How the compiled estimator is opened; None where there is none."""
    why: str
    """Why there is none."""
    raw: Mapping[str, Any]
    """All that is noted."""


def plan_of(noted: Mapping[str, Any]) -> Plan:
    """Reads what was noted; a model of an earlier version has its categories in its blocks alone."""
    choices = noted.get("choices")
    if choices is None:
        blocks = [block for block in noted.get("blocks") or [] if block["kind"] == "categorical"]
        choices = {
            name: values for block in blocks for name, values in zip(block["columns"], block["categories"], strict=True)
        }
    return Plan(
        noted["task"],
        noted["target"],
        noted["classes"],
        noted["columns"],
        frozenset(noted["optional"]),
        noted["derive"],
        {name: values for name, values in choices.items() if name in noted["columns"]},
        tuple(noted.get("complete", ())),
        noted.get("ways", {}),
        noted.get("reading", {}),
        noted.get("estimator"),
        noted.get("why", ""),
        noted,
    )


def read_plan(folder: Path) -> Plan:
    """Reads the plan in a folder.

    Raises:
        Refusal: It is damaged, or of another format.
    """
    path = folder / FILE
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        if noted["format"] != FORMAT:
            raise Refusal(
                "made by another version of tabpipe", where=str(path), value=noted["format"], rule=f"format {FORMAT}"
            )
        return plan_of(noted)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refusal(f"the plan of the compiled model cannot be read: {error}", where=str(path)) from error


def saved_plan(folder: str | Path) -> Plan | None:
    """The plan of a saved model; None of one that was saved without.

    Args:
        folder: The model, as the step train has saved it.

    Raises:
        Refusal: It is damaged, or of another format.
    """
    compiled = Path(folder) / FOLDER
    return read_plan(compiled) if compiled.is_dir() else None


def noted_of(pipeline: Any, task: Task, target: str) -> dict[str, Any]:
    """Notes of a fitted pipeline what it is asked with.

    Args:
        pipeline: columns, features, model, as the step train makes it.
        task: classification or regression.
        target: The target column.
    """
    columns = pipeline[0]
    classes = getattr(pipeline[-1], "classes_", None)
    return {
        "format": FORMAT,
        "task": task,
        "target": target,
        "classes": None if classes is None else [str(name) for name in classes],
        "columns": dict(columns.kinds),
        "optional": sorted(columns.optional),
        "derive": columns.derive or {},
        "fill": columns.fill or {},
        "ways": getattr(columns, "ways", None) or {},
        "choices": dict(_choices(pipeline[1])),
    }


def _choices(block: Any) -> Iterator[tuple[str, list[str]]]:
    """Each categorical column of a fitted ColumnTransformer, and the values that it had in training."""
    for _, fitted, columns in block.transformers_:
        steps = getattr(fitted, "named_steps", {})
        if (encoder := steps.get("encode")) is None:
            continue
        # A category that stands for missing values is no choice: NaN, or what the imputer puts in.
        missing = getattr(steps.get("impute"), "fill_value", None)
        for name, values in zip(columns, encoder.categories_, strict=True):
            yield name, [str(value) for value in values if value == value and value != missing]


def plan_of_pipeline(pipeline: Any, folder: Path) -> Plan:
    """The plan of a model that was saved without one.

    Raises:
        Refusal: It is no model of the step train.
    """
    import yaml

    metadata = yaml.safe_load((folder / "MLmodel").read_text()).get("metadata") or {}
    try:
        noted = noted_of(pipeline, metadata["task"], metadata["target"])
    except (AttributeError, KeyError, TypeError, IndexError):
        raise Refusal(
            "a model that tabpipe has not made", where=str(folder), rule="a model folder of the step train"
        ) from None
    return plan_of({**noted, "why": "it was saved by a version of tabpipe that did not compile models"})
