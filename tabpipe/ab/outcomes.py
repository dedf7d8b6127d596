"""Reading outcomes: what turned out to be true of rows that were predicted."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, nearest
from components.common.config.reading import Reading
from components.common.inference.arrow_values import scalars
from components.common.inference.coerce import ABSENT

if TYPE_CHECKING:
    import pandas as pd

    from components.common.tables.reader import Table


@dataclass(frozen=True)
class Outcomes:
    """Outcomes, one for each id."""

    table: pd.DataFrame
    """id and truth (texts, as a model writes classes), and time (UTC) where there is one."""
    rows: int
    """Rows of the table that was read."""
    empty: int
    """Rows without id or truth, left out."""
    repeated: int
    """Rows whose id comes again later in the table, left out."""
    contradicting: int
    """Ids that came with different truths; the last one stands."""
    way: Mapping[str, Any] = field(default_factory=dict)
    """How the column of truths is written."""


def read_outcomes(
    source: str, id_column: str, truth_column: str, time_column: str | None = None, reading: Reading | None = None
) -> Outcomes:
    """Reads a table of outcomes.

    Args:
        source: A table of any format: a path, or an http(s), s3 or artifact URL.
        id_column: The column of ids.
        truth_column: The column of true values.
        time_column: The column of when they were known, if there is one.
        reading: How the table is written; as the use case's source is.

    Raises:
        Refusal: There is no such table or column, or nothing is in it.
    """
    from components.common.sources import open_bytes
    from components.common.tables.reader import open_table

    reading = reading or Reading()
    wanted = {"id": id_column, "truth": truth_column, **({"time": time_column} if time_column else {})}
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_bytes(source, Path(scratch)) as file,
        open_table(file.path, reading, name=file.name, where=file.shown, faultless=True) as table,
    ):
        shown = table.where
        for column in wanted.values():
            if column not in table.names:
                raise Refusal("there is no such column", where=shown, value=column, mend=nearest(column, table.names))
        ways = reading.ways(table.names)
        found = _read(table, wanted, ways)
    rows = len(found)
    found = found[found["id"].notna() & found["truth"].notna()]
    if found.empty:
        raise Refusal("no row has both an id and a true value", where=shown)
    empty = rows - len(found)
    if time_column:
        found = found.assign(time=_times(found["time"], f"{shown}, column {time_column}"))
        found = found.sort_values("time", kind="stable")
    truths = found.groupby("id", sort=False)["truth"].nunique()
    last = found.drop_duplicates("id", keep="last").reset_index(drop=True)
    contradicting = int((truths > 1).sum())
    return Outcomes(last, rows, empty, len(found) - len(last), contradicting, ways.get(truth_column, {}))


def _read(table: Table, wanted: Mapping[str, str], ways: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """The columns that are asked for, ids and truths as a model writes classes: 17 for 17.0, false for False."""
    import pandas as pd

    from components.common.inference.values import converted

    parts: dict[str, list[Any]] = {name: [] for name in wanted}
    for chunk in table.chunks:
        for name, column in wanted.items():
            values = chunk.columns.get(column, [None] * chunk.rows)
            plain = [None if value is ABSENT else value for value in values] if isinstance(values, list) else None
            plain = scalars(values) if plain is None else plain
            found, faults = converted(plain, "identifier", ways.get(column))
            for row, rule in faults.items():
                raise Refusal(
                    "a value is no single one",
                    where=f"{table.where}, row {chunk.numbers[row]}, column {column}",
                    value=plain[row],
                    rule=rule,
                )
            parts[name] += found
    return pd.DataFrame(parts, dtype=object)


def _times(values: pd.Series, where: str) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_datetime(values, utc=True)
    except (ValueError, TypeError) as error:
        raise Refusal(f"not all are times ({error})", where=where, rule="for instance 2026-03-01T12:00:00Z") from None
