"""What holds over the whole table, read as the draft says: faults, ranges, missing values, classes, equal rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.inference.arrow_values import of_kind, scalars
from tabpipe.draft.kinds import decide_words
from tabpipe.draft.markers import is_marker, spellings
from tabpipe.draft.survey import hashes_of

if TYPE_CHECKING:
    import pyarrow as pa

    from components.common.config.base import Kind
    from tabpipe.draft.profile import Profile

_MOST_CLASSES = 10_000
_MOST_FAULTS = 100
"""Different values that are no numbers or dates; of more the rest is only counted."""
_MOST_HASHES = 16 << 20
"""Rows that are compared with each other; of more a part that is spread evenly."""


@dataclass
class _Read:
    """A column, read in one way."""

    kind: Kind
    way: dict[str, Any]
    missing: int = 0
    faulty: int = 0
    low: float = np.inf
    high: float = -np.inf
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, values: pa.Array, kept: np.ndarray | None = None) -> pa.Array:
        """Take note of some values, of which those in rows without a target do not count as missing."""
        import pyarrow.compute as pc

        found = of_kind(values, self.kind, self.way)
        absent = found.values.is_null().to_numpy(zero_copy_only=False)
        wrong = np.zeros(len(absent), bool)
        wrong[list(found.faults)] = True
        counted = absent if kept is None else absent & kept
        self.faulty += int((counted & wrong).sum())
        self.missing += int((counted & ~wrong).sum())
        rows, numbers = list(found.faults), found.values
        if self.kind == "numerical":
            infinite = pc.is_inf(numbers).fill_null(False)
            if pc.any(infinite).as_py():  # no model takes them: they are read as missing, or refused
                rows += np.flatnonzero(infinite).tolist()
                self.faulty += len(rows) - len(found.faults)
                numbers = numbers.filter(pc.invert(infinite))
            ends = pc.min_max(numbers)
            self.low = min(self.low, float(ends["min"].as_py()) if ends["min"].is_valid else np.inf)
            self.high = max(self.high, float(ends["max"].as_py()) if ends["max"].is_valid else -np.inf)
        if rows:
            bad = [str(value).strip() for value in scalars(values.take(rows))]
            self.faults.update(value for value in bad if value in self.faults or len(self.faults) < _MOST_FAULTS)
        return found.values


class EqualRows:
    """Counts rows that equal an earlier one, by the hashes of their values."""

    def __init__(self) -> None:
        self._seen: list[np.ndarray] = []
        self._held, self._bits = 0, 0

    def add(self, columns: Iterable[pa.Array]) -> None:
        """Take note of some rows, given by their columns."""
        whole: Any = None
        for column in columns:
            hashes = hashes_of(column)
            whole = hashes if whole is None else (whole * np.uint64(0x9E3779B97F4A7C15)) ^ hashes
        if whole is None:
            return
        whole ^= whole >> np.uint64(29)
        self._seen.append(self._part(whole))
        self._held += len(self._seen[-1])
        while self._held > _MOST_HASHES:
            self._bits += 1
            self._seen = [self._part(one) for one in self._seen]
            self._held = sum(map(len, self._seen))

    def _part(self, hashes: np.ndarray) -> np.ndarray:
        return hashes[hashes & np.uint64((1 << self._bits) - 1) == 0]

    @property
    def count(self) -> int:
        """Rows that equal an earlier one; of very many rows it is an estimate."""
        hashes = np.concatenate(self._seen) if self._seen else np.empty(0, np.uint64)
        return (len(hashes) - len(np.unique(hashes))) << self._bits


def total_up(batches: Iterable[pa.Table], columns: Sequence[Profile], target: str) -> int:
    """Read a whole table by the decisions on its columns; what does not hold is decided anew.

    Args:
        batches: The rows.
        columns: The columns that are to be declared. Their missing values, spans, classes and notes are brought up to
            what the whole table has; their rows to those with a target.
        target: The column to predict, whose classes are counted.

    Returns:
        How many rows equal an earlier one in all these columns.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    reads = {one.name: _Read(one.kind, one.way) for one in columns}
    others = {one.name: _Read(one.kind, one.other_way) for one in columns if one.other_way}
    classes: Counter[str] | None = Counter()
    equal = EqualRows()
    for batch in batches:
        there = dict(zip(batch.column_names, batch.columns, strict=True))
        raw = {
            name: there[name].combine_chunks() if name in there else pa.nulls(len(batch), pa.string()) for name in reads
        }
        found = {target: reads[target].add(raw[target])}
        kept = found[target].is_valid().to_numpy(zero_copy_only=False)
        found |= {name: read.add(raw[name], kept) for name, read in reads.items() if name != target}
        for name, read in others.items():
            read.add(raw[name], kept)
        equal.add(_comparable(values, reads[name].kind) for name, values in found.items())
        if classes is not None:
            labels = of_kind(raw[target].filter(kept), "categorical", reads[target].way).values.drop_null()
            for pair in pc.value_counts(labels).to_pylist():
                classes[pair["values"]] += pair["counts"]
            classes = None if len(classes) > _MOST_CLASSES else classes
    without = reads[target].missing
    for one in columns:
        _settle(one, reads[one.name], others.get(one.name), one.name == target)
        one.rows -= 0 if one.name == target else without
        one.classes = classes if one.name == target else None
    return equal.count


def _comparable(values: pa.Array, kind: Kind) -> pa.Array:
    """Values of a type that a column has in all batches."""
    import pyarrow as pa

    if kind == "identifier":
        return values.cast(pa.string())
    return values.cast(pa.float64(), safe=False) if kind == "numerical" else values


def _settle(column: Profile, read: _Read, other: _Read | None, is_target: bool) -> None:
    """Note what was found of a column; decide anew where its way does not hold."""
    if read.faults and other is not None and not other.faults:
        read, other = other, None
        column.way = read.way
    if column.other_way and (other is None or other.faults):
        column.other_way = None
        column.notes = [note for note in column.notes if note != column.ambiguity]
    if read.faults:
        marks = sorted(value for value in read.faults if is_marker(value))
        if len(marks) == len(read.faults):
            column.way["missing"] = spellings([*column.way.get("missing", []), *marks])
            column.notes.append(f"{', '.join(map(repr, marks))} in {_rows(read.faults)}: read as missing")
            read.missing += read.faulty
        else:
            bad = next(value for value in read.faults if value not in marks)
            column.notes.append(f"{bad!r} and the like in {_rows(read.faults)} are no {_plural(read.kind)}")
            column.way = {}
            decide_words(column, is_target)
    column.missing = read.missing
    column.span = (read.low, read.high) if column.kind == "numerical" and read.low <= read.high else None


def _rows(counts: Mapping[str, int]) -> str:
    rows = sum(counts.values())
    return f"{rows:,} row{'s' * (rows != 1)}"


def _plural(kind: str) -> str:
    return "dates" if kind == "date" else "numbers"
