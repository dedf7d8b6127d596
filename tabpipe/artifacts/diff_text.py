"""What differs between two versions, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.common.base.errors import shorten
from components.common.base.numbers import written
from tabpipe.console import columns, size, text

_MOST = 40
_CELL = 48


def lines(found: Mapping[str, Any]) -> list[str]:
    """Lines that tell a `difference`."""
    a, b = (found[key].rpartition(":")[2] for key in ("a", "b"))
    said = [f"{found['a']} → {found['b']}"]
    if found["same"]:
        said.append("  the same bytes")
    if found["metadata"]:
        rows = [(key, *(_cell(key, value) for value in pair)) for key, pair in found["metadata"].items()]
        said += ["", *columns(("", a, b), rows)]
    if "kind" in found:
        said += ["", f"  {a} is a {found['kind'][0]}, {b} a {found['kind'][1]}"]
    if "table" in found:
        said += _table(found["table"])
    if "files" in found:
        said += _files(found["files"])
    if "text" in found:
        said += _text(found["text"])
    return said


def _table(table: Mapping[str, Any]) -> list[str]:
    said = ["", "rows"]
    before, after = table["rows"]
    differing = table["rows_differing"]
    if before != after:
        said.append(f"  {before:,} → {after:,} ({after - before:+,})")
    elif differing == 0:
        said.append(f"  {before:,}, none of which differs in a column that both have")
    else:
        said.append(f"  {before:,}, of which {differing:,} differ")
    changed = [f"  + {name}  {kind}" for name, kind in table["added"].items()]
    changed += [f"  - {name}  {kind}" for name, kind in table["removed"].items()]
    changed += [f"  ~ {name}  {' → '.join(pair)}" for name, pair in table["retyped"].items()]
    changed += ["  ~ the columns stand in another order"] if table["order"] else []
    if changed:
        said += ["", "columns", *changed]
    values = [f"  {name}  {words}" for name, one in table["columns"].items() if (words := _column(one))]
    if values:
        said += ["", "values", *values[:_MOST]]
    return [*said, f"  and {len(values) - _MOST} more columns; --json tells all"] if len(values) > _MOST else said


def _column(change: Mapping[str, Any]) -> str:
    parts = []
    if differing := change.get("rows_differing"):
        parts.append(f"{differing:,} row{'' if differing == 1 else 's'}")
    for key in ("missing", "mean", "min", "max", "distinct"):
        if key in change:
            parts.append(f"{key} {' → '.join(_figure(value) for value in change[key])}")
    for key in ("new", "gone"):
        if key in change:
            more = change[f"{key}_count"] - len(change[key])
            values = ", ".join(shorten(value, 24) for value in change[key])
            parts.append(f"{key}: {values}{f' and {more} more' if more else ''}")
    return " · ".join(parts)


def _files(files: Mapping[str, Any]) -> list[str]:
    said = [f"  + {path}  {size(count)}" for path, count in files["added"].items()]
    said += [f"  - {path}  {size(count)}" for path, count in files["removed"].items()]
    said += [f"  ~ {path}  {size(sizes[0])} → {size(sizes[1])}" for path, sizes in files["changed"].items()]
    if len(said) > _MOST:
        said = [*said[:_MOST], f"  and {len(said) - _MOST} more; --json tells all"]
    for more in files["text"].values():
        said += ["", *(f"  {line}" for line in more)]
    return ["", "files", *said]


def _text(found: Mapping[str, Any]) -> list[str]:
    said = ["", f"  {size(found['bytes'][0])} → {size(found['bytes'][1])}"]
    said += [f"  {line}" for line in found["lines"]]
    return [*said, f"  and {found['more']} more lines"] if found["more"] else said


def _cell(key: str, value: Any) -> str:
    return "" if value is None else str(value)[:12] if key == "digest" else shorten(text(value), _CELL)


def _figure(value: Any) -> str:
    return written(value, 6)
