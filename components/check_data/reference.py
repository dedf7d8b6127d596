"""The table that a new one is compared with: the previous accepted one, or one that the config declares."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal, nearest, some
from components.common.base.redact import redact
from components.common.config.check_data import CheckDataArgument
from components.common.inference.arrow_values import of_kind
from components.common.inference.cell import Place
from components.common.sources import open_bytes
from components.common.tables.chunk import of_values
from components.common.tables.parquet import read_table
from components.common.tables.reader import open_table

if TYPE_CHECKING:
    import pandas as pd

    from components.common.tables.reader import Table

_FIELD = "check_data.drift.reference"


def reference_table(rules: CheckDataArgument, previous: str) -> tuple[pd.DataFrame | None, str]:
    """Reads the table to compare with.

    Args:
        rules: The section. The file of a declared reference is read as the source is.
        previous: The previous accepted table, parquet; empty where there is none. A declared one wins over it.

    Returns:
        The table, its columns of their kinds, and what it is in words; None and "" where there is none.

    Raises:
        Refusal: It cannot be read, a declared one lacks a column that is checked against it, or a value is not of the
            kind of its column.
    """
    declared = rules.drift.reference
    if declared:
        with (
            tempfile.TemporaryDirectory() as scratch,
            open_bytes(declared, Path(scratch)) as opened,
            open_table(opened.path, rules.reading, name=opened.name, where=opened.shown, faultless=True) as table,
        ):
            return _of_kinds(table, rules), f"the declared reference {redact(declared)}"
    return (read_table(previous), "the previous accepted table") if previous else (None, "")


def _of_kinds(table: Table, rules: CheckDataArgument) -> pd.DataFrame:
    import pyarrow as pa

    there = set(table.names)
    names = [name for name in rules.kinds if name in there]
    checked = rules.drift.numerical
    if checked is None:
        checked = [name for name, kind in rules.kinds.items() if kind == "numerical" and name not in rules.derived]
    if absent := [name for name in dict.fromkeys([*checked, *rules.drift.categorical]) if name not in names]:
        raise Refusal(
            f"the declared reference lacks {some([repr(name) for name in absent])}",
            where=f"{_FIELD}, {table.where}",
            value=f"its columns are {some(table.names)}",
            rule="a reference has every column that is checked against it",
            mend=f"{nearest(absent[0], table.names)}; or leave such columns out of check_data.drift",
        )
    ways, parts, rows = rules.reading.ways(names), [], 0
    for chunk in table.chunks:
        columns: dict[str, pa.Array] = {}
        for name in names:
            raw = chunk.columns.get(name, [None] * chunk.rows)
            raw = of_values(raw) if isinstance(raw, list) else raw
            found = of_kind(raw, rules.kinds[name], ways.get(name))
            Place(f"{_FIELD}, {table.where}", name, rows).refuse(raw, rules.kinds[name], found)
            columns[name] = found.values
        parts.append(pa.table(columns))
        rows += chunk.rows
    if not rows:
        raise Refusal("the declared reference has no rows", where=f"{_FIELD}, {table.where}")
    return pa.concat_tables(parts, promote_options="permissive").to_pandas()
