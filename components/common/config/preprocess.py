"""Section `preprocess`: the declared cleaning rules."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_validator

from components.common.base.errors import Refusal
from components.common.config.base import Kind, Section
from components.common.config.reading import Notation

Bounds = tuple[float | None, float | None]


def ordered(bounds: Bounds) -> Bounds:
    """Refuses a lower bound above its upper one."""
    low, high = bounds
    if low is not None and high is not None and low > high:
        raise ValueError(f"the lower bound {low} is above the upper bound {high}")
    return bounds


class Derive(Section):
    """A column made of others, row by row. Exactly one of the ways is given."""

    join: list[str] | None = None
    """Texts joined in this order; a missing one counts as empty."""
    separator: str = " "
    """What stands between joined texts."""
    ratio: tuple[str, str] | None = None
    """First numerical column divided by the second; missing where the second is 0."""
    difference: tuple[str, str] | None = None
    """First numerical column minus the second."""

    @model_validator(mode="after")
    def _one_way(self) -> Derive:
        if sum(way is not None for way in (self.join, self.ratio, self.difference)) != 1:
            raise ValueError("give exactly one of join, ratio, difference")
        return self

    @property
    def sources(self) -> list[str]:
        """The columns that it is made of."""
        return list(self.join or self.ratio or self.difference or ())

    @property
    def kind(self) -> Kind:
        """The kind of the column that it makes."""
        return "text" if self.join else "numerical"


class Preprocess(Section):
    """What is cleaned away, filled in and derived, in this order: duplicates, fills, derived columns, bounds, missing
    target.
    """

    drop_duplicates: bool = False
    """Remove rows that equal an earlier row in every column. Equal rows may be observations: only if asked for."""
    fill: dict[str, Any] = Field(default_factory=dict)
    """Column, or pattern of names, to the constant that stands in for its missing values."""
    derive: dict[str, Derive] = Field(default_factory=dict)
    """New column to the way it is made."""
    bounds: dict[str, Bounds] = Field(default_factory=dict)
    """Column, or pattern of names, to [lowest, highest]; rows outside are removed. null leaves a side open. Missing
    values stay."""
    drop_missing_target: bool = False
    """Remove rows without a target instead of refusing them in check_data."""

    @model_validator(mode="before")
    @classmethod
    def _moved(cls, value: Any) -> Any:
        if isinstance(value, dict) and (formats := value.get("date_format")):
            column, form = next(iter(formats.items())) if isinstance(formats, dict) else ("COLUMN", formats)
            raise Refusal(
                "date_format is no key of preprocess any more",
                value=formats,
                rule="how a column is written stands in section download, and goes with the model",
                mend=f"write download: {{columns: {{{column}: {{format: {form!r}}}}}}}",
            )
        return value

    @field_validator("bounds")
    @classmethod
    def _ordered(cls, value: dict[str, Bounds]) -> dict[str, Bounds]:
        for column, bounds in value.items():
            try:
                ordered(bounds)
            except ValueError as error:
                raise Refusal(str(error), value=list(bounds), rule=f"[lowest, highest] for {column}") from None
        return value


class PreprocessArgument(Preprocess):
    """What the step preprocess is handed."""

    target: str
    """The target column."""
    columns: dict[str, Kind]
    """The declared columns of the raw table, or patterns of their names, and their kinds; others are dropped."""
    notation: Notation = Field(default_factory=Notation)
    """How the values of the raw table are written."""
