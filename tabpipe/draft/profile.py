"""What is found out about a column, and what is decided of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.arrow_values import of_kind

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.config.base import Kind, Task


_LEAST_GROWN = 20
"""So many values show whether a column grows."""


@dataclass
class Profile:
    """A column of a table."""

    name: str
    values: pa.Array
    """(sampled,) as the table has them."""
    numbers: np.ndarray
    """(sampled,) which row of the table each is from, from 0."""
    rows: int
    """Of the whole table."""
    missing: int
    distinct: int
    """Different values; of many it is an estimate."""
    kind: Kind = "text"
    why: str = ""
    left_out: str = ""
    """Why it is no column of the config; empty if it is one."""
    way: dict[str, Any] = field(default_factory=dict)
    """How its values are written, where that is not the usual one."""
    other_way: dict[str, Any] | None = None
    """Another way that its values fit, of another meaning."""
    notes: list[str] = field(default_factory=list)
    """What the reader of the config has to know of it."""
    sentinel: tuple[float, float] | None = None
    """A number that may stand for a missing one, and its share."""
    ambiguity: str = ""
    """The note on that other way."""
    span: tuple[float, float] | None = None
    """The lowest and highest of its numbers, in the whole table."""
    classes: Counter[str] | None = None
    """Of a target: value to rows, in the whole table."""

    @property
    def given(self) -> int:
        """Values that are not missing."""
        return self.rows - self.missing

    @cached_property
    def once(self) -> bool:
        """Whether no value, or next to none, stands twice."""
        there = len(self.values) - self.values.null_count
        return self.different == there and self.distinct >= 0.93 * self.given

    @property
    def whole(self) -> bool:
        """Whether its numbers are whole ones."""
        import pyarrow as pa

        return pa.types.is_integer(self.of_its_kind().type)

    @cached_property
    def different(self) -> int:
        """Different values of the sample."""
        import pyarrow.compute as pc

        return pc.count_distinct(self.values).as_py()

    @property
    def largest_share(self) -> float:
        """The share of the sample's values that the most frequent one has."""
        return next(iter(self.counts.values()), 0) / max(1, sum(self.counts.values()))

    @cached_property
    def counts(self) -> Counter[Any]:
        """The sample's values, as the table has them, to how often each stands there; the most frequent first."""
        import pyarrow.compute as pc

        found = pc.value_counts(self.values.drop_null())
        pairs = zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True)
        return Counter(dict(sorted(pairs, key=lambda pair: -pair[1])))

    @cached_property
    def grows(self) -> bool:
        """Whether its numbers or dates grow with the rows: later tables go on where this one ends."""
        import pyarrow as pa

        values = self.of_its_kind().drop_null()
        if len(values) < _LEAST_GROWN or pa.types.is_string(values.type):
            return False
        steps = np.diff(values.to_numpy(zero_copy_only=False).astype("float64"))
        return self.distinct > _LEAST_GROWN and bool((steps >= 0).mean() > 0.99)

    def of_its_kind(self) -> pa.Array:
        """Return the sample's values, brought to the column's kind."""
        return of_kind(self.values, self.kind, self.way).values

    def truth(self, task: Task, most: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what it says as a target, of at most so many rows that have a value, spread evenly.

        Returns:
            (n,) codes of classes, or numbers; and (n,) their places in the sample.
        """
        values = of_kind(self.values, "categorical" if task == "classification" else "numerical", self.way).values
        rows = np.flatnonzero(values.is_valid().to_numpy(zero_copy_only=False))
        rows = rows[:: max(1, -(-len(rows) // most))]
        if task == "regression":
            return values.take(rows).to_numpy(zero_copy_only=False).astype("float64"), rows
        return values.take(rows).dictionary_encode().indices.to_numpy(zero_copy_only=False).astype("int64"), rows

    def example(self) -> str:
        """Return a value."""
        return next((str(value) for value in self.values.drop_null()[:1].to_pylist()), "")

    def decided(self, kind: Kind, why: str, **more: Any) -> None:
        """Note a decision."""
        self.kind, self.why = kind, why
        for key, value in more.items():
            setattr(self, key, value)

    def ambiguous(self, note: str) -> None:
        """Note that its values fit another way too."""
        self.ambiguity = note
        self.notes.append(note)

    def leave_out(self, why: str) -> None:
        """Note that it is no column of the config."""
        self.left_out = self.why = why
