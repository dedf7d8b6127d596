"""Section `tsne`: a picture of the table in two dimensions."""

from __future__ import annotations

from collections.abc import Collection

from pydantic import Field

from components.common.config.base import Kind, Section, Task
from components.common.config.patterns import chosen, expand


class Tsne(Section):
    """t-SNE of the numerical columns, coloured by the target."""

    columns: list[str] | None = None
    """Numerical columns to use, patterns of names among them; all by default."""
    rows: int = Field(default=2000, ge=10)
    """Rows drawn, a seeded sample where the table has more."""
    perplexity: float = Field(default=30.0, gt=0)
    """About how many neighbours a point has."""
    seed: int = Field(default=42, ge=0)
    """Seed of the sample and of the embedding."""


class TsneArgument(Tsne):
    """What the step tsne is handed."""

    target: str
    """The target column."""
    task: Task
    """classification or regression."""
    kinds: dict[str, Kind]
    """The columns of the clean table, or patterns of their names, and their kinds."""

    def of_table(self, names: Collection[str]) -> TsneArgument:
        """Return the section with the columns of a table in the place of patterns.

        Args:
            names: The columns of the clean table.

        Raises:
            Refusal: A pattern stands for no column.
        """
        kinds = expand(self.kinds, names, "columns")
        numbers = [name for name, kind in kinds.items() if kind == "numerical" and name != self.target]
        columns = self.columns and chosen(self.columns, numbers, "tsne.columns")
        return self.model_copy(update={"kinds": kinds, "columns": columns})
