"""A first look at a whole table in bounded memory: a sample of its rows, and what is missing and differs by column."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal
from components.common.tables.reader import Progress
from tabpipe.draft.source import Source

if TYPE_CHECKING:
    import pyarrow as pa

_SAMPLE_ROWS, _SAMPLE_BYTES = 100_000, 128 << 20
"""Of a sample that has twice as many rows or bytes, half is let go."""
_SKETCH = 4096
"""Hashes that are kept of a column: of more different values the number is estimated, to about 1.6 %."""
_SKETCHES = 16 << 20
"""Hashes that are kept of all columns."""


class Spread:
    """A sample of rows, spread evenly over a table of any length, in the table's order; the same each time."""

    def __init__(self, rows: int = _SAMPLE_ROWS, size: int = _SAMPLE_BYTES):
        self.share = 1.0
        """The share of rows that is kept."""
        self._most, self._random = (2 * rows, 2 * size), np.random.default_rng(0)
        self._parts: list[tuple[np.ndarray, np.ndarray, pa.Table]] = []

    def add(self, numbers: np.ndarray, table: pa.Table) -> None:
        """Let some rows of the table join it, as far as chance wants."""
        self._parts.append((self._random.random(len(numbers)), numbers, table))
        self._parts[-1] = self._thinned(*self._parts[-1])
        while self._size()[0] > self._most[0] or self._size()[1] > self._most[1]:
            self.share /= 2
            self._parts = [self._thinned(*part) for part in self._parts]

    def _size(self) -> tuple[int, int]:
        return sum(len(one) for _, one, _ in self._parts), sum(table.nbytes for *_, table in self._parts)

    def _thinned(self, keys: np.ndarray, numbers: np.ndarray, table: pa.Table) -> tuple:
        kept = keys < self.share
        return (keys, numbers, table) if kept.all() else (keys[kept], numbers[kept], table.filter(kept))

    def rows(self) -> tuple[np.ndarray, pa.Table]:
        """Return the numbers of the rows, from 0, and the rows. What some rows have no column for is missing."""
        import pyarrow as pa

        table = pa.concat_tables([table for *_, table in self._parts], promote_options="permissive")
        return np.concatenate([numbers for _, numbers, _ in self._parts]), table.combine_chunks()


@dataclass
class Distinct:
    """How many different values a column has: the smallest hashes of them tell.

    Source: Bar-Yossef et al., Counting distinct elements in a data stream, RANDOM 2002.
    """

    most: int = _SKETCH
    hashes: np.ndarray = field(default_factory=lambda: np.empty(0, np.uint64))

    def add(self, found: np.ndarray) -> None:
        """Take note of the hashes of some values."""
        if len(self.hashes) == self.most:
            found = found[found < self.hashes[-1]]
        if len(found):
            self.hashes = np.unique(np.concatenate([self.hashes, found]))[: self.most]

    @property
    def count(self) -> int:
        """The number, exact up to `most`."""
        if len(self.hashes) < self.most:
            return len(self.hashes)
        return round((self.most - 1) * 2.0**64 / float(self.hashes[-1]))


@dataclass
class Survey:
    """What a first look shows."""

    rows: int
    missing: dict[str, int]
    """Column to values that are missing."""
    distinct: dict[str, int]
    """Column to different values, of many an estimate; nothing where the sample is the whole table."""
    numbers: np.ndarray
    """(sampled,) which row of the table each is, from 0."""
    sample: pa.Table
    whole: bool
    """Whether the sample is the whole table."""


def survey(source: Source, progress: Progress | None = None) -> Survey:
    """Read a table once.

    Raises:
        Refusal: It is none, or has no rows.
    """

    def read() -> Survey:
        spread, rows = Spread(), 0
        missing: dict[str, int] = {}
        distinct: dict[str, Distinct] = {}
        held: list[pa.Table] = []
        for numbers, table in source.batches(progress):
            spread.add(numbers, table)
            for name in table.column_names:
                missing[name] = missing.get(name, rows) + table[name].null_count
            rows += table.num_rows
            for name in missing.keys() - set(table.column_names):
                missing[name] += table.num_rows
            held.append(table)
            if spread.share < 1:  # of a table that is held whole, the sample tells
                for part in held:
                    _count_distinct(part, distinct)
                held.clear()
        if not rows:
            raise Refusal("there are no rows", where=source.table)
        numbers, sample = spread.rows()
        kept = [name for name in missing if name not in source.left_out]
        return Survey(
            rows,
            {name: missing[name] for name in kept},
            {name: one.count for name, one in distinct.items() if name in kept},
            numbers,
            sample.select(kept),
            spread.share == 1.0,
        )

    return source.readable(read)


def _count_distinct(table: pa.Table, distinct: dict[str, Distinct]) -> None:
    most = min(_SKETCH, max(256, _SKETCHES // max(1, table.num_columns)))
    for name in table.column_names:
        values = table[name].combine_chunks().unique().drop_null()
        distinct.setdefault(name, Distinct(most)).add(hashes_of(values))


def hashes_of(values: pa.Array) -> np.ndarray:
    """Return (n,) 64-bit hashes of values; equal values have equal ones, whatever chunk they stand in."""
    import pandas as pd
    import pyarrow as pa

    types, of = pa.types, values.type
    if types.is_timestamp(of) or types.is_date64(of):
        values = values.cast(pa.int64())
    elif types.is_boolean(of):
        values = values.cast(pa.uint8())
    elif not (types.is_integer(of) or types.is_floating(of) or types.is_string(of)):
        values = pa.array([str(value) for value in values.to_pylist()], pa.string())
    if types.is_string(values.type):
        coded = values.dictionary_encode()
        texts = np.asarray(coded.dictionary.to_pylist(), dtype=object)
        hashes = np.append(pd.util.hash_array(texts, categorize=False), np.uint64(0))
        return hashes[coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)]
    hashes = pd.util.hash_array(values.fill_null(0).to_numpy(zero_copy_only=False), categorize=False)
    return np.where(values.is_null().to_numpy(zero_copy_only=False), np.uint64(0), hashes)
