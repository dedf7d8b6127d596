"""Reading outcomes: what turned out to be true of rows that were predicted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, nearest

if TYPE_CHECKING:
    import pandas as pd

_ENDINGS = (".csv", ".csv.gz", ".tsv", ".jsonl", ".jsonl.gz", ".ndjson", ".parquet")


@dataclass(frozen=True)
class Outcomes:
    """Outcomes, one for each id."""

    table: pd.DataFrame
    """id (text), truth, and time (UTC) where there is one."""
    rows: int
    """Rows of the table that was read."""
    empty: int
    """Rows without id or truth, left out."""
    repeated: int
    """Rows whose id comes again later in the table, left out."""
    contradicting: int
    """Ids that came with different truths; the last one stands."""


def read_outcomes(source: str, id_column: str, truth_column: str, time_column: str | None = None) -> Outcomes:
    """Reads a table of outcomes.

    Args:
        source: A CSV, JSON lines or parquet table: a path, or an http(s), s3 or artifact URL.
        id_column: The column of ids.
        truth_column: The column of true values.
        time_column: The column of when they were known, if there is one.

    Raises:
        Refusal: There is no such table or column, or nothing is in it.
    """
    from components.common.sources import open_bytes

    with tempfile.TemporaryDirectory() as scratch, open_bytes(source, Path(scratch)) as file:
        frame = _read(file.path, file.name, file.shown)
        shown = file.shown
    wanted = {"id": id_column, "truth": truth_column, **({"time": time_column} if time_column else {})}
    for column in wanted.values():
        if column not in frame.columns:
            raise Refusal(
                "there is no such column", where=shown, value=column, mend=nearest(column, map(str, frame.columns))
            )
    found = frame[list(wanted.values())].set_axis(list(wanted), axis=1)
    rows = len(found)
    found = found[found["id"].notna() & found["truth"].notna()]
    if found.empty:
        raise Refusal("no row has both an id and a true value", where=shown)
    empty = rows - len(found)
    found = found.assign(id=as_ids(found["id"]))
    if time_column:
        found = found.assign(time=_times(found["time"], f"{shown}, column {time_column}"))
        found = found.sort_values("time", kind="stable")
    truths = found.groupby("id", sort=False)["truth"].nunique()
    last = found.drop_duplicates("id", keep="last").reset_index(drop=True)
    return Outcomes(last, rows, empty, len(found) - len(last), int((truths > 1).sum()))


def as_ids(values: pd.Series) -> pd.Series:
    """Ids as text: 17 and 17.0 are "17"."""
    if values.dtype.kind == "f" and (values == values.round()).all():
        values = values.astype("int64")
    return values.astype(str)


def _read(path: Path, name: str, shown: str) -> pd.DataFrame:
    import pandas as pd

    ending = name.lower()
    if not ending.endswith(_ENDINGS):
        raise Refusal("a table of this kind cannot be read", where=shown, rule=f"one of {', '.join(_ENDINGS)}")
    packed: dict[str, Any] = {"compression": "gzip" if ending.endswith(".gz") else None}
    try:
        if ending.endswith(".parquet"):
            return pd.read_parquet(path)
        if ".jsonl" in ending or ".ndjson" in ending:
            return pd.read_json(path, lines=True, dtype=False, **packed)
        # As text: 007 is not 7, and a class may be called 1.
        separator = "\t" if ".tsv" in ending else ","
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, na_values=[""], **packed)
    except (ValueError, OSError) as error:
        raise Refusal(f"the table cannot be read ({error})", where=shown) from None


def _times(values: pd.Series, where: str) -> pd.Series:
    import pandas as pd

    try:
        return pd.to_datetime(values, utc=True)
    except (ValueError, TypeError) as error:
        raise Refusal(f"not all are times ({error})", where=where, rule="for instance 2026-03-01T12:00:00Z") from None
