"""Section `tsne`: a picture of the table in two dimensions."""

from __future__ import annotations

from pydantic import Field

from components.common.config.base import Kind, Section, Task


class Tsne(Section):
    """t-SNE of the numerical columns, coloured by the target."""

    columns: list[str] | None = None
    """Numerical columns to use; all by default."""
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
    """The columns of the clean table and their kinds."""
