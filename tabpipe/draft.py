"""Drafts the config of a table that tabpipe has not seen: kinds of columns, and rules wide enough for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, nearest
from components.common.config import Reading
from components.common.inference.arrow_values import of_kind
from components.common.inference.values import FALSE, TRUE, text_of
from components.common.sources import paths_of
from components.common.tables.chunk import of_values
from components.common.tables.reader import open_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_FEW = 30
"""A column of text with at most this many different values, or this share of its rows, is categorical."""
_FEW_SHARE = 0.02
_SAMPLE_ROWS = 100_000


def draft(table: Path, target: str) -> str:
    """A config for a table, as YAML.

    Args:
        table: A table of any format; its first 100,000 rows are looked at.
        target: The column to predict.

    Raises:
        Refusal: The table cannot be read or has no such column.
    """
    reading: dict[str, str] = {}
    frame, left_out = _head(table, reading)
    if target not in frame.columns:
        raise Refusal(f"there is no column {target!r}", where=str(table), mend=nearest(target, map(str, frame.columns)))
    if len(frame.columns) == 1:
        raise Refusal(
            "no column is left to learn from",
            where=str(table),
            value=f"{', '.join(left_out)} hold lists or records" if left_out else f"only {target}",
            rule="at least one column beside the target",
        )
    kinds = {str(name): _kind(frame[name], name == target) for name in frame.columns}
    lines = [
        "# yaml-language-server: $schema=schema.json",
        f"# Drafted from {table.name}: look at every kind and range before you trust it.",
        f"target: {_quoted(target)}",
        "columns:  # numerical, categorical, text, date, or identifier (kept, never a feature)",
        *(f"  {_quoted(name)}: {kind}" for name, kind in kinds.items()),
        *(f"  # {name} holds lists or records, which no kind is for" for name in left_out),
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


def _head(table: Path, reading: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Reads the first rows; notes in `reading` what download must be told to read the file.

    Returns:
        The rows, and the columns of lists or records, which are left out.
    """
    if not table.exists() and not set("*?[") & set(table.name):
        raise Refusal("the file does not exist", where=str(table), rule="init reads files on this machine")
    try:
        return _read(table, reading)
    except Refusal as refusal:
        if "not UTF-8" not in refusal.problem:
            raise
        reading["encoding"] = "cp1252"
        return _read(table, reading)


def _read(table: Path, reading: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    import pandas as pd
    import pyarrow as pa

    parts: dict[str, list[pa.Array]] = {}
    left_out: set[str] = set()
    rows = 0
    with open_table(paths_of(str(table)), Reading.model_validate(reading)) as opened:
        for chunk in opened.chunks:
            for name, values in chunk.columns.items():
                if _nested(values):
                    left_out.add(name)
                part = of_values(values) if isinstance(values, list) else values
                parts.setdefault(name, [pa.nulls(rows, part.type)] if rows else []).append(part)
            rows += chunk.rows
            if rows >= _SAMPLE_ROWS:
                break
        texts = opened.form in ("csv", "excel")
        if opened.delimiter not in ("", ",") and not table.name.lower().split(".gz")[0].endswith((".tsv", ".tab")):
            reading["delimiter"] = opened.delimiter
    if not rows:
        raise Refusal("there are no rows", where=str(table))
    frame = {}
    for name, part in parts.items():
        if name not in left_out:
            column = pa.concat_arrays([one.cast(pa.string()) for one in part] if _mixed(part) else part)
            column = column.cast(pa.float64()) if pa.types.is_decimal(column.type) else column
            frame[name] = (_typed(column) if texts else column).to_pandas()
    return pd.DataFrame(frame), sorted(left_out)


def _nested(values: Any) -> bool:
    import pyarrow as pa

    if isinstance(values, list):
        return any(isinstance(value, (list, dict)) for value in values)
    return pa.types.is_nested(values.type)


def _mixed(parts: list[pa.Array]) -> bool:
    return len({part.type for part in parts}) > 1


def _typed(texts: pa.Array) -> pa.Array:
    """Texts as the booleans or numbers that all of them are; codes with leading zeros stay texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if texts.null_count == len(texts) or pc.any(pc.match_substring_regex(texts, "^[+-]?0[0-9]")).as_py():
        return texts
    if pc.all(pc.is_in(texts.drop_null(), pa.array([*TRUE, *FALSE]))).as_py():
        return pc.if_else(texts.is_null(), None, pc.is_in(texts, pa.array(TRUE)))
    numbers = of_kind(texts, "numerical")
    return texts if numbers.faults else numbers.values


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
            "classes: [" + ", ".join(_quoted(text_of(value)) for value in sorted(column.dropna().unique())) + "]"
        )
    if kind == "numerical" and len(column.dropna()):
        rules.append("range: [{}, {}]".format(*_wide(float(column.min()), float(column.max()))))
    return [f"    {_quoted(str(name))}: {{{', '.join(rules)}}}"] if rules else []


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
