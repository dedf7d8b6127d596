"""Section `evaluate`: how the saved model is scored on the untouched test rows."""

from __future__ import annotations

from pydantic import Field

from components.common.config.base import Section, Task


class Evaluate(Section):
    """Which parts of the test split are scored besides the whole."""

    slices: list[str] = Field(default_factory=list)
    """Columns whose values each get a line of their own; a classifier's target is always one."""
    min_slice_rows: int = Field(default=20, ge=1)
    """Slices with fewer rows are listed without a verdict."""


class EvaluateArgument(Evaluate):
    """What the step evaluate is handed."""

    target: str
    """The target column."""
    task: Task
    """classification or regression."""
