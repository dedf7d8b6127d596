"""Step preprocess: the cleaning rules that a config declares, in a fixed order."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, nearest
from components.common.config import PreprocessArgument, accept
from components.common.tables.parquet import read_arrow, write_arrow
from components.preprocess.cell import Place
from components.preprocess.kinds import to_kind
from components.preprocess.rules import derived, filled, first_of_equals, inside

if TYPE_CHECKING:
    import pyarrow as pa


def preprocess_file(
    section: dict[str, Any],
    table_path: str | os.PathLike[str],
    clean_path: str | os.PathLike[str],
    *,
    called: str = "the raw table",
) -> dict[str, float]:
    """Cleans a table.

    The order is: declared columns only, duplicates out, values of their declared kinds, fills, derived columns, bounds,
    rows without target.

    Args:
        section: A `PreprocessArgument`.
        table_path: The raw table, parquet.
        clean_path: Where to write the clean one: declared columns in the order of the config, then derived ones.
            Numerical columns are int64 or float64, categorical and text columns str, dates datetime64[us] in UTC.
        called: What to call the raw table in a refusal.

    Returns:
        Counts: rows_in, rows_out, columns_dropped, and what each rule did: removed_duplicates, filled_COLUMN,
        removed_COLUMN_bounds (a row that breaks several bounds counts for the first), removed_missing_target.

    Raises:
        Refusal: A column is missing, a value is not of its kind, a rule cannot be applied, or no row is left.
    """
    import numpy as np

    rules = accept(PreprocessArgument, section, "section preprocess")
    raw = read_arrow(table_path)
    check_columns(rules, raw.column_names, called)
    dropped = [name for name in raw.column_names if name not in rules.columns]
    if dropped:
        print(f"columns that the config does not declare are dropped: {', '.join(dropped)}", flush=True)
    counts: dict[str, float] = {"rows_in": raw.num_rows, "columns_dropped": len(dropped)}
    table, rows = raw.select(list(rules.columns)), np.arange(raw.num_rows)

    if rules.drop_duplicates:
        rows = first_of_equals(table)
        counts["removed_duplicates"] = table.num_rows - len(rows)
        table = table.take(rows) if counts["removed_duplicates"] else table
    columns: dict[str, pa.ChunkedArray] = {}
    for name, kind in rules.columns.items():
        columns[name] = to_kind(table[name], kind, Place(called, name, rows), rules.date_format.get(name))
    for name, value in rules.fill.items():
        counts[_metric("filled", name)] = columns[name].null_count
        columns[name] = filled(columns[name], value, name, rules.columns[name], rules.date_format.get(name))
    for name, way in rules.derive.items():
        columns[name] = derived(columns, way)

    clean = _table(columns)
    for name, bounds in rules.bounds.items():
        clean = _kept(clean, inside(clean[name], bounds), counts, _metric("removed", name, "bounds"))
    if rules.drop_missing_target:
        clean = _kept(clean, clean[rules.target].is_valid(), counts, "removed_missing_target")
    counts["rows_out"] = clean.num_rows
    if not clean.num_rows:
        raise _nothing_left(counts, called)
    write_arrow(clean.combine_chunks(), clean_path)
    return counts


def check_columns(rules: PreprocessArgument, present: list[str], called: str) -> None:
    """Refuses a table that lacks declared columns, and rules about columns that are not there."""
    missing = [name for name in rules.columns if name not in present]
    if missing:
        # A column that the config takes under its own name is no misspelt one.
        free = [name for name in present if name not in rules.columns]
        hints = [f"for {name!r}, {nearest(name, free or present)}" for name in missing[:3]]
        names = ", ".join(map(repr, missing))
        raise Refusal(
            f"the columns {names} are not in the table" if len(missing) > 1 else f"column {names} is not in the table",
            where=called,
            rule="every column that the config declares is in the table",
            mend="; ".join(hints),
        )
    known, kinds = list(rules.columns), dict(rules.columns)
    for field, names in (("fill", rules.fill), ("date_format", rules.date_format)):
        for name in names:
            _check_known(f"preprocess.{field}", name, known)
    for name in rules.date_format:
        _check_kind("preprocess.date_format", name, kinds[name], ("date",))
    for name, way in rules.derive.items():
        where = f"preprocess.derive.{name}"
        if name in present:
            raise Refusal(f"the table already has a column {name!r}", where=where, mend="give the new one another name")
        for source in way.sources:
            _check_known(where, source, list(kinds))
            _check_kind(where, source, kinds[source], ("text", "categorical") if way.join else ("numerical",))
        kinds[name] = way.kind
    for name in rules.bounds:
        _check_known("preprocess.bounds", name, list(kinds))
        _check_kind("preprocess.bounds", name, kinds[name], ("numerical",))
    _check_known("target", rules.target, list(kinds))


def _check_known(where: str, name: str, known: list[str]) -> None:
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


def _table(columns: dict[str, pa.ChunkedArray]) -> pa.Table:
    import pyarrow as pa

    return pa.table(list(columns.values()), names=list(columns))


def _kept(table: pa.Table, keep: pa.ChunkedArray, counts: dict[str, float], name: str) -> pa.Table:
    kept = table.filter(keep)
    counts[name] = table.num_rows - kept.num_rows
    return kept


def _metric(*parts: str) -> str:
    """A name that tracking servers accept."""
    return re.sub(r"[^\w.\- /]", "_", "_".join(parts))


def _nothing_left(counts: dict[str, float], called: str) -> Refusal:
    removed = [f"{name} {count:.0f}" for name, count in counts.items() if name.startswith("removed_") and count]
    return Refusal(
        "no row is left",
        where=called,
        value=f"{counts['rows_in']:.0f} rows came in; {', '.join(removed) or 'none removed'}",
        rule="at least one row passes the rules of section preprocess",
        mend="widen the bounds, or check the units of the table",
    )
