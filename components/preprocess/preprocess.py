"""Step preprocess: the cleaning rules that a config declares, in a fixed order, batch by batch."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal, nearest, some
from components.common.config.base import accept
from components.common.config.patterns import expand, rule_of
from components.common.config.preprocess import PreprocessArgument
from components.common.inference.arrow_values import of_kind
from components.common.inference.cell import Place
from components.common.tables.parquet import batches, write_widening
from components.preprocess.duplicates import Seen
from components.preprocess.rules import derived, fill_value, filled, inside

if TYPE_CHECKING:
    import pyarrow as pa

_CELLS = 1 << 22
"""Cells that are cleaned at once, rows times columns."""


def preprocess_file(
    section: dict[str, Any],
    table_path: str | os.PathLike[str],
    clean_path: str | os.PathLike[str],
    *,
    called: str = "the raw table",
) -> dict[str, float]:
    """Cleans a table, in bounded memory.

    The order is: declared columns only, values of their declared kinds, duplicates out, fills, derived columns, bounds,
    rows without target.

    Args:
        section: A `PreprocessArgument`.
        table_path: The raw table, parquet.
        clean_path: Where to write the clean one: declared columns in the order of the config, then derived ones.
            Numerical columns are int64 or float64, categorical and text columns str, dates datetime64[us] in UTC.
        called: What to call the raw table in a refusal.

    Returns:
        Counts: rows_in, rows_out, columns_dropped, and what each rule did: removed_duplicates, filled_COLUMN,
        removed_COLUMN_bounds (a row that breaks several bounds counts for the first), removed_missing_target; of a rule
        for a pattern of names one count, named by the pattern. Also rounded_COLUMN: numbers with more digits than a
        float holds.

    Raises:
        Refusal: A column is missing, a value is not of its kind, a rule cannot be applied, or no row is left.
    """
    declared = accept(PreprocessArgument, section, "section preprocess")
    counts: Counter[str] = Counter()
    with batches(table_path, _CELLS) as (names, rows):
        rules = _of_table(declared, names)
        check_columns(rules, names, called)
        dropped = [name for name in names if name not in rules.columns]
        if dropped:
            print(f"columns that the config does not declare are dropped: {some(dropped)}", flush=True)
        ways = rules.notation.ways(rules.columns)
        fill = {
            name: fill_value(value, name, rules.columns[name], ways.get(name, {})) for name, value in rules.fill.items()
        }
        cleaning = _Cleaning(rules.model_copy(update={"fill": fill}), ways, declared)

        def cleaned() -> Iterator[pa.Table]:
            counts.clear()
            counts["columns_dropped"] = len(dropped)
            seen = Seen() if rules.drop_duplicates else None
            for batch in rows(list(rules.columns)):
                yield cleaning.clean(batch, seen, counts, called)

        write_widening(cleaned, clean_path, lambda: _nothing_left(declared, counts, called))
    for name, count in counts.items():
        if name.startswith("rounded_"):
            print(f"{name.removeprefix('rounded_')}: {count:,} numbers have more digits than a float holds", flush=True)
    return dict(counts)


def _of_table(declared: PreprocessArgument, names: list[str]) -> PreprocessArgument:
    """The rules with the columns of a table in the place of patterns; a pattern of a rule never means the target."""
    columns = expand(declared.columns, names, "columns")
    expand(declared.notation.columns, columns, "download.columns")  # refuses a pattern that stands for none
    known, target = [*columns, *declared.derive], [declared.target]
    return declared.model_copy(
        update={
            "columns": columns,
            "fill": expand(declared.fill, columns, "preprocess.fill", target),
            "bounds": expand(declared.bounds, known, "preprocess.bounds", target),
        }
    )


class _Cleaning:
    """The rules applied to some rows after others.

    Args:
        rules: The rules, for columns of the table.
        ways: Column to how its values are written.
        declared: The rules as the config has them, whose keys name the counts.
    """

    def __init__(self, rules: PreprocessArgument, ways: dict[str, dict[str, Any]], declared: PreprocessArgument):
        self.rules, self.ways = rules, ways
        filled, bounded = ({key: key for key in keys} for keys in (declared.fill, declared.bounds))
        self._filled = {name: _metric("filled", rule_of(filled, name) or name) for name in rules.fill}
        self._bounded = {name: _metric("removed", rule_of(bounded, name) or name, "bounds") for name in rules.bounds}

    def clean(self, batch: pa.RecordBatch, seen: Seen | None, counts: Counter[str], called: str) -> pa.Table:
        """Returns some rows of the clean table; what was done is added to the counts."""
        rules, columns = self.rules, {}
        table = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name, kind in rules.columns.items():
            raw = table[name]
            found = of_kind(raw, kind, self.ways.get(name))
            Place(called, name, counts["rows_in"]).refuse(raw, kind, found)
            columns[name] = found.values
            if found.rounded:
                counts[_metric("rounded", name)] += found.rounded
        counts["rows_in"] += batch.num_rows
        if seen is not None:
            columns = _filtered(columns, seen.first(_table(columns)), counts, "removed_duplicates")
        for name, value in rules.fill.items():
            counts[self._filled[name]] += columns[name].null_count
            columns[name] = filled(columns[name], value, name)
        for name, way in rules.derive.items():
            columns[name] = derived(columns, way)
        if rules.bounds:
            columns = self._bounded_rows(columns, counts)
        if rules.drop_missing_target:
            columns = _filtered(columns, columns[rules.target].is_valid(), counts, "removed_missing_target")
        clean = _table(columns)
        counts["rows_out"] += clean.num_rows
        return clean

    def _bounded_rows(self, columns: dict[str, pa.Array], counts: Counter[str]) -> dict[str, pa.Array]:
        keep = np.ones(len(next(iter(columns.values()))), bool)
        for name, bounds in self.rules.bounds.items():
            before = keep.sum()
            keep &= inside(columns[name], bounds).to_numpy(zero_copy_only=False)
            counts[self._bounded[name]] += int(before - keep.sum())
        return _filtered(columns, keep)


def check_columns(rules: PreprocessArgument, present: list[str], called: str) -> None:
    """Refuses a table that lacks declared columns, and rules about columns that are not there."""
    there = set(present)
    missing = [name for name in rules.columns if name not in there]
    if missing:
        # A column that the config takes under its own name is no misspelt one.
        free = [name for name in present if name not in rules.columns]
        hints = [f"for {name!r}, {nearest(name, free or present)}" for name in missing[:3]]
        names = some([repr(name) for name in missing])
        raise Refusal(
            f"the columns {names} are not in the table" if len(missing) > 1 else f"column {names} is not in the table",
            where=called,
            rule="every column that the config declares is in the table",
            mend="; ".join(hints),
        )
    kinds = dict(rules.columns)
    for name in rules.fill:
        _check_known("preprocess.fill", name, kinds)
    for name, way in rules.derive.items():
        where = f"preprocess.derive.{name}"
        if name in present:
            raise Refusal(f"the table already has a column {name!r}", where=where, mend="give the new one another name")
        for source in way.sources:
            _check_known(where, source, kinds)
            _check_kind(where, source, kinds[source], ("text", "categorical") if way.join else ("numerical",))
        kinds[name] = way.kind
    for name in rules.bounds:
        _check_known("preprocess.bounds", name, kinds)
        _check_kind("preprocess.bounds", name, kinds[name], ("numerical",))
    _check_known("target", rules.target, kinds)


def _check_known(where: str, name: str, known: Collection[str]) -> None:
    if name not in known:
        raise Refusal(
            f"there is no column {name!r}", where=where, rule="it names a declared column", mend=nearest(name, known)
        )


def _check_kind(where: str, name: str, kind: str, wanted: tuple[str, ...]) -> None:
    if kind not in wanted:
        raise Refusal(
            f"column {name!r} is {kind}",
            where=where,
            rule=f"it takes {' or '.join(wanted)} columns",
            mend="change the rule, or the kind of the column",
        )


def _table(columns: dict[str, pa.Array]) -> pa.Table:
    import pyarrow as pa

    return pa.table(list(columns.values()), names=list(columns))


def _filtered(
    columns: dict[str, pa.Array], keep: Any, counts: Counter[str] | None = None, name: str = ""
) -> dict[str, pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    keep = pa.array(keep)
    removed = len(keep) - (pc.sum(keep).as_py() or 0)
    if counts is not None:
        counts[name] += removed
    return {column: values.filter(keep) for column, values in columns.items()} if removed else columns


def removed_rows(section: dict[str, Any], counts: Mapping[str, float]) -> str:
    """The rows that each rule has removed, in words; empty where none was.

    Args:
        section: A `PreprocessArgument`.
        counts: What `preprocess_file` returns.
    """
    words = {"removed_duplicates": "equal to an earlier row", "removed_missing_target": "without a target"}
    words |= {
        _metric("removed", name, "bounds"): f"outside the bounds of {name}" for name in section.get("bounds") or ()
    }
    return ", ".join(f"{counts[name]:,.0f} {text}" for name, text in words.items() if counts.get(name))


def _metric(*parts: str) -> str:
    """A name that tracking servers accept."""
    return re.sub(r"[^\w.\- /]", "_", "_".join(parts))


def _nothing_left(rules: PreprocessArgument, counts: Counter[str], called: str) -> Refusal:
    return Refusal(
        "no row is left",
        where=called,
        value=f"{counts['rows_in']:,} rows came in; removed: {removed_rows(rules.model_dump(), counts) or 'none'}",
        rule="at least one row passes the rules of section preprocess",
        mend="widen the bounds, or check the units of the table",
    )
