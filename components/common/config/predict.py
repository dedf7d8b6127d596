"""Section `predict`: which model answers a table, and what is written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.common.config.base import Section


class Predict(Section):
    """Batch prediction, the pipeline `score`."""

    model: str = "champion"
    """Which version of the use case's model: an alias, or vN."""
    keep: Literal["ids", "all", "none"] | list[str] = "ids"
    """Columns of the table that go along: those that are no features (ids), all, none, or the ones named here."""
    probabilities: bool = False
    """Whether there is a column for each class."""
    intervals: bool = False
    """Whether there are columns of intervals, or of a classification one of sets, where the model has them."""
    chunk: int = Field(default=10_000, ge=1)
    """Rows that are asked at once."""
    max_rejects: str = ""
    """Most rows that may be refused, as a number or as a share (1%); by default any number, but not all."""
    max_unknown: str = ""
    """Most values of a categorical column that training did not know, likewise; by default any number, but not all."""


class PredictArgument(Predict):
    """What the step predict is handed."""

    use_case: str
    """The name that the model goes by."""
