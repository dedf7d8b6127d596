"""Section `check_data`: what must hold before a model is trained."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field, field_validator

from components.common.config.base import Kind, Section, Severity, Task
from components.common.config.patterns import chosen, expand
from components.common.config.preprocess import Bounds, ordered
from components.common.config.reading import Reading


class RowCount(Section):
    """Bounds of the number of rows."""

    min: int = Field(default=1, ge=0)
    """Fewest rows."""
    max: int | None = Field(default=None, ge=1)
    """Most rows; open by default."""
    severity: Severity = "error"
    """Whether a breach stops the pipeline."""


class ColumnCheck(Section):
    """The rules of one column."""

    range: Bounds | None = None
    """[lowest, highest] of a numerical column, both allowed; null leaves a side open."""
    classes: list[str] | None = None
    """The known values of a categorical column."""
    missing: bool | float = False
    """false: no value may be missing; true: any may; a number: at most this share."""
    unique: bool = False
    """No value may stand twice."""
    fresh_days: float | None = Field(default=None, gt=0)
    """The latest date of a date column is at most this many days before now."""
    severity: Severity = "error"
    """Whether a breach stops the pipeline."""

    @field_validator("range")
    @classmethod
    def _ordered(cls, value: Bounds | None) -> Bounds | None:
        return None if value is None else ordered(value)

    @field_validator("missing")
    @classmethod
    def _share(cls, value: bool | float) -> bool | float:
        if not isinstance(value, bool) and not 0 <= value <= 1:
            raise ValueError("a share lies between 0 and 1")
        return value


class Drift(Section):
    """Statistical checks against a reference table."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Level of all Kolmogorov-Smirnov tests together; each is tested at 1-(1-alpha)^(1/n)."""
    numerical: list[str] | None = None
    """Columns tested by Kolmogorov-Smirnov, patterns among them; all numerical ones by default."""
    categorical: list[str] = Field(default_factory=list)
    """Columns compared by the Kullback-Leibler divergence, patterns among them."""
    kl_threshold: float = Field(default=0.2, gt=0)
    """Largest divergence accepted, in nats."""
    reference: str | None = None
    """A table to compare with, of any format, written as the source is; by default the previous accepted data."""
    severity: Severity = "warning"
    """Whether a breach stops the pipeline."""


class CheckData(Section):
    """Deterministic and statistical checks of the clean table."""

    rows: RowCount = Field(default_factory=RowCount)
    """Bounds of the number of rows."""
    columns: dict[str, ColumnCheck] = Field(default_factory=dict)
    """Rules by column or pattern of names; a declared column without rules must be there, with its kind's type and no
    missing value."""
    drift: Drift = Field(default_factory=Drift)
    """Comparison with the reference."""


class CheckDataArgument(CheckData):
    """What the step check_data is handed."""

    target: str
    """The target column."""
    task: Task
    """classification or regression."""
    kinds: dict[str, Kind]
    """The columns of the clean table (derived ones included), or patterns of their names, and their kinds."""
    derived: list[str] = Field(default_factory=list)
    """The derived ones among them, which a raw reference lacks."""
    reading: Reading = Field(default_factory=Reading)
    """How the source is written, and so a declared reference."""

    def of_table(self, names: Collection[str]) -> CheckDataArgument:
        """Return the rules of a table, its columns in the place of patterns, none of which means the target by itself.

        Args:
            names: The columns of the clean table.

        Raises:
            Refusal: A pattern stands for no column.
        """
        kinds, drift = expand(self.kinds, names, "columns"), self.drift
        free = {name: kind for name, kind in kinds.items() if name != self.target}
        numbers = [name for name, kind in free.items() if kind == "numerical"]
        drift = drift.model_copy(
            update={
                "numerical": drift.numerical and chosen(drift.numerical, numbers, "check_data.drift.numerical"),
                "categorical": chosen(drift.categorical, free, "check_data.drift.categorical"),
            }
        )
        columns = expand(self.columns, kinds, "check_data.columns", never=[self.target])
        return self.model_copy(update={"kinds": kinds, "columns": columns, "drift": drift})
