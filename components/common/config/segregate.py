"""Section `segregate`: how rows are dealt to train, validation and test."""

from __future__ import annotations

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
