"""Section `promote`: when a candidate takes the champion's place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from components.common.base.errors import Refusal, nearest
from components.common.config.base import Section, Task

HIGHER = ("auc_macro_ovo", "f1_macro", "accuracy", "r2")
"""Scores of which more is better."""
LOWER = ("log_loss", "mae", "rmse")
"""Scores of which less is better."""
OF_TASK = {
    "classification": ("auc_macro_ovo", "f1_macro", "accuracy", "log_loss"),
    "regression": ("r2", "mae", "rmse"),
}
"""The scores of each task, in the order in which they are shown."""
BASELINE = "baseline_"
"""What stands before the name of a score where it is that of guessing."""


def sign_of(metric: str) -> int:
    """1 where more of a score is better, -1 where less is."""
    return -1 if metric in LOWER else 1


class Guards(Section):
    """What a candidate must not do, however good it is as a whole."""

    slice_drop: float | None = Field(default=None, ge=0)
    """Most that any slice may lose against the champion: of its share of right answers (0.05: five points), or, of
    numbers, of its mean absolute error (0.05: five percent more). Slices are those of evaluate."""
    latency_ms: float | None = Field(default=None, gt=0)
    """Most milliseconds that the answer to one row may take, the median of several, as the model is served."""
    size_mb: float | None = Field(default=None, gt=0)
    """Most megabytes (10^6 bytes) of the saved model."""


class Promote(Section):
    """How a candidate is compared with the champion on the untouched rows."""

    metric: str | None = None
    """What decides; by default auc_macro_ovo, and rmse of a regression."""
    margin: float = Field(default=0.0, ge=0)
    """By how much, in units of the metric, the candidate must be better; by more than nothing by default."""
    certain: bool = False
    """Whether the lower end of the interval of the difference must be above the margin too."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """Of the bootstrap interval of the difference."""
    resamples: int = Field(default=1000, ge=100, le=10_000)
    """Resamples of the bootstrap."""
    beats_baseline: Literal["certain", "better", False] = "certain"
    """certain: a first champion's interval of the difference to guessing must be above 0; better: its score must be. No
    model that is no better than guessing ever becomes the champion, unless this is false."""
    thresholds: dict[str, float] = Field(default_factory=dict)
    """Score to the least value that is good enough (the most, of log_loss, mae and rmse), also for a first model."""
    guards: Guards = Field(default_factory=Guards)
    """What a candidate must not do."""
    gate: Literal["auto", "manual"] = "auto"
    """manual: a candidate that would be promoted becomes the challenger, and a person promotes it."""
    sources: list[str] = Field(default_factory=list)
    """Addresses, or patterns of them (`*`, `?`), of which a model may follow a champion of another one. A model of any
    other source than the champion's waits for a person; addresses that differ in dates alone are one source."""
    seed: int = 42
    """Of the bootstrap."""


class PromoteArgument(Promote):
    """What the step promote is handed."""

    use_case: str
    """The name that the model goes by."""
    target: str
    """The target column."""
    task: Task
    """classification or regression."""
    slices: list[str] = Field(default_factory=list)
    """Columns to slice by."""
    min_slice_rows: int = 20
    """Slices with fewer rows guard nothing."""
    if TYPE_CHECKING:
        metric: str = ""  # by the time that it is read it has its default

    @model_validator(mode="after")
    def _known_scores(self) -> PromoteArgument:
        refuse_unknown_scores(self, self.task)
        if self.metric is None:
            self.metric = "auc_macro_ovo" if self.task == "classification" else "rmse"
        return self


def refuse_unknown_scores(promote: Promote, task: Task) -> None:
    """Refuses scores that a task does not have."""
    known = OF_TASK[task]
    named = [("promote.metric", promote.metric)] if promote.metric else []
    for where, name in [*named, *(("promote.thresholds", name) for name in promote.thresholds)]:
        if name not in known:
            raise Refusal(
                f"there is no score {name!r} of a {task}",
                where=where,
                rule=f"one of {', '.join(known)}",
                mend=nearest(name, known),
            )
