"""Section `evaluate`: how the saved model is scored on the untouched test rows."""

from __future__ import annotations

from pydantic import Field, model_validator

from components.common.base.errors import Refusal
from components.common.config.base import Section, Task


class Evaluate(Section):
    """Which parts of the test split are scored besides the whole."""

    slices: list[str] = Field(default_factory=list)
    """Columns whose values each get a line of their own; a classifier's target is always one."""
    min_slice_rows: int = Field(default=20, ge=1)
    """Slices with fewer rows are listed without a verdict."""
    positive_class: str | int | bool | None = None
    """Of two classes the one that is looked for; by default one that is named yes, true, 1, y, t or positive,
    else the second in order of name."""
    threshold: float | None = Field(default=None, gt=0, lt=1)
    """Probability of the positive class from which on the report counts a row as positive. A served model answers the
    more probable class, whatever is chosen here."""


class EvaluateArgument(Evaluate):
    """What the step evaluate is handed."""

    target: str
    """The target column."""
    task: Task
    """classification or regression."""

    @model_validator(mode="after")
    def _of_classes(self) -> EvaluateArgument:
        refuse_of_numbers(self, self.task)
        return self


def refuse_of_numbers(evaluate: Evaluate, task: Task) -> None:
    """Refuses settings of classes in a regression."""
    for name in ("positive_class", "threshold"):
        if task == "regression" and (value := getattr(evaluate, name)) is not None:
            raise Refusal(
                "a regression has no classes",
                where=f"evaluate.{name}",
                value=value,
                mend="leave it out",
            )
