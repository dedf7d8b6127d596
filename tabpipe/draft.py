"""Drafts the config of a table that tabpipe has not seen: kinds of columns, and rules wide enough for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal, nearest

if TYPE_CHECKING:
    import pandas as pd

_FEW = 30
"""A column of text with at most this many different values, or this share of its rows, is categorical."""
_FEW_SHARE = 0.02
_SAMPLE_ROWS = 100_000


def draft(table: Path, target: str) -> str:
    """A config for a table, as YAML.

    Args:
        table: A CSV (gzipped or not), parquet or JSON lines file; its first 100,000 rows are looked at.
        target: The column to predict.

    Raises:
        Refusal: The table cannot be read or has no such column.
    """
    reading: dict[str, str] = {}
    frame = _head(table, reading)
    if target not in frame.columns:
        raise Refusal(f"there is no column {target!r}", where=str(table), mend=nearest(target, map(str, frame.columns)))
    kinds = {str(name): _kind(frame[name], name == target) for name in frame.columns}
    lines = [
        "# yaml-language-server: $schema=schema.json",
        f"# Drafted from {table.name}: look at every kind and range before you trust it.",
        f"target: {_quoted(target)}",
        "columns:  # numerical, categorical, text, date, or identifier (kept, never a feature)",
        *(f"  {_quoted(name)}: {kind}" for name, kind in kinds.items()),
        "download:",
        f"  source: {_quoted(str(table))}",
        *(f"  {key}: {json.dumps(value)}" for key, value in reading.items()),
        "check_data:",
        f"  rows: {{min: {max(1, len(frame) // 2)}}}",
        "  columns:",
        *(line for name, kind in kinds.items() for line in _rules(frame[name], name, kind, name == target)),
        "train:",
        "  model: random_forest",
        "  n_estimators: 100",
        "  max_depth: 15",
    ]
    return "\n".join(lines) + "\n"


def _head(table: Path, reading: dict[str, str]) -> pd.DataFrame:
    """Reads the first rows; notes in `reading` what download must be told to read the file."""
    import pandas as pd

    if not table.is_file():
        raise Refusal("the file does not exist", where=str(table), rule="init reads files on this machine")
    name = table.name.removesuffix(".gz")
    try:
        if name.endswith((".parquet", ".pq")):
            frame = pd.read_parquet(table).head(_SAMPLE_ROWS)
        elif name.endswith((".jsonl", ".ndjson", ".json")):
            frame = pd.read_json(table, lines=True, nrows=_SAMPLE_ROWS)
        else:
            frame = _head_of_csv(table, reading)
    except (ValueError, OSError) as error:
        raise Refusal(f"cannot be read: {error}", where=str(table)) from None
    if frame.empty:
        raise Refusal("there are no rows", where=str(table))
    return frame


def _head_of_csv(table: Path, reading: dict[str, str]) -> pd.DataFrame:
    import gzip

    import pandas as pd

    with (gzip.open if table.name.endswith(".gz") else open)(table, "rb") as file:
        header = file.readline()
    delimiter = max(",;\t|", key=lambda mark: header.count(mark.encode()))
    if delimiter != ",":
        reading["delimiter"] = delimiter
    try:
        return pd.read_csv(table, nrows=_SAMPLE_ROWS, sep=delimiter)
    except UnicodeDecodeError:
        reading["encoding"] = "cp1252"
        return pd.read_csv(table, nrows=_SAMPLE_ROWS, sep=delimiter, encoding="cp1252")


def _kind(column: pd.Series, is_target: bool) -> str:
    import pandas as pd

    distinct = column.nunique()
    named = str(column.name).lower() == "id" or str(column.name).lower().endswith(("_id", " id"))
    if pd.api.types.is_bool_dtype(column):
        return "categorical"
    if pd.api.types.is_numeric_dtype(column):
        whole = pd.api.types.is_integer_dtype(column)
        if is_target and whole and distinct <= _FEW:
            return "categorical"
        numbered = whole and distinct == len(column) > _FEW
        return "identifier" if not is_target and (named or numbered) else "numerical"
    if is_target:
        return "categorical"
    if _is_date(column.dropna().head(200)):
        return "date"
    if distinct <= max(_FEW, _FEW_SHARE * len(column)):
        return "categorical"
    return "identifier" if named and distinct == len(column) else "text"


def _is_date(values: pd.Series) -> bool:
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        return True
    return len(values) > 0 and pd.to_datetime(values, format="ISO8601", errors="coerce").notna().all()


def _rules(column: pd.Series, name: object, kind: str, is_target: bool) -> list[str]:
    """The rules that the table at hand keeps: missing values where it has some, classes of the target."""
    rules = []
    if column.isna().any() and not is_target:
        rules.append("missing: true")
    if kind == "categorical" and is_target:
        rules.append(
            "classes: [" + ", ".join(_quoted(_category(value)) for value in sorted(column.dropna().unique())) + "]"
        )
    if kind == "numerical" and len(column.dropna()):
        rules.append("range: [{}, {}]".format(*_wide(float(column.min()), float(column.max()))))
    return [f"    {_quoted(str(name))}: {{{', '.join(rules)}}}"] if rules else []


def _category(value: object) -> str:
    return str(value).lower() if str(value) in ("True", "False") else str(value)


def _wide(low: float, high: float) -> tuple[str, str]:
    """The span of a column and as much again; what was never negative stays so."""
    slack = (high - low) / 2 or 1.0
    floor = max(low - slack, 0.0) if low >= 0 else low - slack
    return _rounded(floor), _rounded(high + slack)


def _rounded(value: float) -> str:
    """Four digits, or a whole number, without an exponent where it can be."""
    return f"{value:.0f}" if 1e3 <= abs(value) < 1e15 else f"{value:.4g}"


def _quoted(text: str) -> str:
    """A YAML scalar that is read back as this very string."""
    import yaml

    return (
        text
        if text.replace("_", "a").isalnum() and yaml.safe_load(text) == text
        else json.dumps(text, ensure_ascii=False)
    )
