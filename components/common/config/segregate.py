"""Section `segregate`: how rows are dealt to train, validation and test."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from components.common.config.base import Section, Task


class Segregate(Section):
    """First test is split off, then validation off the rest."""

    test_size: float = Field(default=0.3, gt=0, lt=1)
    """Share of all rows that becomes the test split."""
    validation_size: float = Field(default=0.3, gt=0, lt=1)
    """Share of the remaining rows that becomes the validation split."""
    seed: int = Field(default=42, ge=0)
    """Seed of the shuffle."""
    stratify: bool | str = True
    """true: keep the target's class shares (classification only); a column: keep that one's; false: do not."""
    by_time: str | None = None
    """A date column: the latest rows become test, those before them validation. No shuffle, no strata."""
    group: str | None = None
    """A column whose equal values never stand in two splits."""

    @model_validator(mode="after")
    def _one_way(self) -> Segregate:
        if self.by_time and self.group:
            raise ValueError("give by_time or group, not both")
        return self


class SegregateArgument(Segregate):
    """What the step segregate is handed."""

    target: str
    """The target column."""
    task: Task
    """classification or regression."""

    @property
    def strata(self) -> str | None:
        """The column whose shares every split keeps: by default a classifier's target."""
        if isinstance(self.stratify, str):
            return self.stratify
        return self.target if self.stratify and self.task == "classification" else None

    @property
    def rule(self) -> SplitRule:
        """What the split comes to, without settings that have no effect."""
        sizes: dict[str, Any] = {"test_size": self.test_size, "validation_size": self.validation_size}
        if self.by_time:
            return SplitRule(by="time", column=self.by_time, **sizes)
        if self.group:
            return SplitRule(by="group", column=self.group, seed=self.seed, **sizes)
        return SplitRule(by="shuffle", column=self.strata, seed=self.seed, **sizes)


class SplitRule(Section):
    """How a table was split; it goes with the splits and the model, as JSON in their metadata."""

    by: Literal["shuffle", "group", "time"]
    column: str | None = None
    """The groups, the time, or the strata of a shuffle."""
    test_size: float
    validation_size: float
    seed: int | None = None
    """None where nothing is drawn."""

    def __str__(self) -> str:
        way = {"group": f"by groups of {self.column}", "time": f"by time of {self.column}"}.get(self.by, "shuffled")
        if self.by == "shuffle" and self.column:
            way += f", stratified by {self.column}"
        seed = "" if self.seed is None else f", seed {self.seed}"
        return f"{way}{seed}, test {self.test_size:g}, validation {self.validation_size:g} of the rest"
