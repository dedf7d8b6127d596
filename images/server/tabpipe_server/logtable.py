"""Logged requests as a table: one row for each row that was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

INPUT = "input."
"""Stands before the names of the model's columns."""


def grouped(entries: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Entries by what can stand in one file: one day, and models that are asked alike."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for entry in entries:
        day = datetime.fromtimestamp(entry["time"], UTC).date()
        alike = (day, entry["model"], tuple(entry["kinds"].items()), tuple(entry["classes"] or ()))
        groups.setdefault(alike, []).append(entry)
    yield from groups.values()


def table_of(entries: list[dict[str, Any]]) -> tuple[pa.Table, int]:
    """A table of entries that were asked alike.

    Args:
        entries: As the server packs them.

    Returns:
        The table, and the number of rows of entries that could not be put in it.
    """
    import pyarrow as pa

    schema = schema_of(entries[0]["kinds"], entries[0]["classes"])
    try:
        return _table(entries, schema), 0
    except Exception:  # one with an odd value spoils no other
        tables, failed = [schema.empty_table()], 0
        for entry in entries:
            try:
                tables.append(_table([entry], schema))
            except Exception:
                failed += len(entry["kept"])
        return pa.concat_tables(tables), failed


def _table(entries: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns: dict[str, list[Any]] = {name: [] for name in schema.names}
    for entry in entries:
        for name, values in _rows(entry).items():
            columns[name] += values
    return pa.table(columns, schema)


def schema_of(kinds: dict[str, str], classes: list[str] | None) -> pa.Schema:
    """The columns of a file: the same for a model, whatever the requests are."""
    import json

    import pyarrow as pa

    fixed = {
        "time": pa.timestamp("us", "UTC"),
        "request_id": pa.string(),
        "row": pa.int32(),
        "id": pa.string(),
        "key": pa.string(),
        "model": pa.string(),
        "version": pa.string(),
        "role": pa.string(),
        "shadow": pa.bool_(),
        "prediction": pa.string(),
        "value": pa.float64(),
        "probability": pa.float64(),
        "probabilities": pa.list_(pa.float64()),
        "unknown": pa.int32(),
        "latency_ms": pa.float64(),
    }
    asked = {INPUT + name: pa.float64() if kind == "numerical" else pa.string() for name, kind in kinds.items()}
    noted = {"tabpipe.classes": json.dumps(classes), "tabpipe.kinds": json.dumps(dict(kinds))}
    return pa.schema({**fixed, **asked}.items(), metadata=noted)


def _rows(entry: dict[str, Any]) -> dict[str, list[Any]]:
    kept = [int(row) for row in entry["kept"]]
    count, ids, classes = len(kept), entry["ids"], entry["classes"]
    moment = datetime.fromtimestamp(entry["time"], UTC)
    found: dict[str, list[Any]] = {
        "time": [moment] * count,
        "row": kept,
        "id": [None] * count if ids is None else [_text(ids[row]) for row in kept],
        "latency_ms": [entry["latency"] * 1000] * count,
    }
    for name in ("request_id", "key", "model", "version", "role", "shadow"):
        found[name] = [entry[name]] * count
    predicted, probabilities = list(entry["predicted"]), entry["probabilities"]
    found["prediction"] = [None] * count if classes is None else [str(one) for one in predicted]
    found["value"] = [float(one) for one in predicted] if classes is None else [None] * count
    if probabilities is None or classes is None:
        found["probability"], found["probabilities"] = [None] * count, [None] * count
    else:
        place = {name: index for index, name in enumerate(classes)}
        found["probabilities"] = np.asarray(probabilities, dtype=np.float64).tolist()
        found["probability"] = [
            row[place[name]] for row, name in zip(found["probabilities"], found["prediction"], strict=True)
        ]
    for name, kind in entry["kinds"].items():
        values = entry["columns"].get(name)
        read = _number if kind == "numerical" else _text
        found[INPUT + name] = [None] * count if values is None else [read(_plain(values[row])) for row in kept]
        if entry["texts"]:  # those of a CSV, in which nothing is what is missing
            found[INPUT + name] = [None if value == "" else value for value in found[INPUT + name]]
    found["unknown"] = _unknown(entry, found, count)
    return found


def _unknown(entry: dict[str, Any], found: dict[str, list[Any]], count: int) -> list[int]:
    """Of each row, how many of its values were unknown in training."""
    if count == 1:
        return [sum(entry["unknown"].values())]
    counts = [0] * count
    for name in entry["unknown"]:
        known = set(entry["choices"].get(name) or ())
        for row, value in enumerate(found.get(INPUT + name, ())):
            counts[row] += value is not None and value not in known
    return counts


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) and not isinstance(value, np.datetime64) else value


def _number(value: Any) -> float | None:
    """A number as the model read it; None where it is missing, as in a column that a record does not have."""
    if isinstance(value, str):
        words = {"true": 1.0, "false": 0.0}
        text = value.strip().lower()
        return words.get(text) if text in words or not text else float(text)
    if isinstance(value, (bool, int, float)):
        return float(value) if value == value else None
    return None


def _text(value: Any) -> str | None:
    """A text as the model read it: 1.0 is "1", true is "true"."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and (value != value or not value.is_integer()):
        return None if value != value else str(value)
    if isinstance(value, (int, float)):
        return str(int(value))
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else str(value)
    return value.isoformat() if isinstance(value, (date, datetime)) else None
