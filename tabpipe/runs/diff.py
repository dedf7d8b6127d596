"""What differs between two runs: parameters, metrics, data, code."""

from __future__ import annotations

from typing import Any

from components.common.base.errors import shorten
from components.common.base.numbers import signed, written
from tabpipe.console import columns
from tabpipe.runs.find import Kept
from tabpipe.runs.listing import UNKNOWN, commit_words, short

Row = dict[str, Any]
"""`name`, `a`, `b` (None where a run has noted none) and `equal` (None where that cannot be told)."""


def differences(a: Kept, b: Kept) -> dict[str, Any]:
    """Compares two runs.

    Returns:
        `a` and `b` (ids), `parameters` (those that differ), `metrics` (all, each with its `difference`, b - a), `data`
        and `code` (all that was noted).
    """
    metrics = [
        {**row, "difference": None if None in (row["a"], row["b"]) else row["b"] - row["a"]}
        for row in rows(a.metrics, b.metrics)
    ]
    return {
        "a": a.run_id,
        "b": b.run_id,
        "use_cases": [a.use_case, b.use_case],
        "parameters": [row for row in rows(leaves(a.config), leaves(b.config)) if not row["equal"]],
        "metrics": metrics,
        "data": _known(rows(_data(a), _data(b))),
        "code": _known(rows(_code(a), _code(b))),
    }


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """A config's values by their dotted names; lists and empty mappings are values."""
    if isinstance(config, dict) and (config or not prefix):
        return {
            name: value
            for key, inner in config.items()
            for name, value in leaves(inner, f"{prefix}.{key}" if prefix else str(key)).items()
        }
    return {prefix: config}


def rows(a: dict[str, Any], b: dict[str, Any]) -> list[Row]:
    """Two mappings side by side, in the order of the first; what one of them lacks is None."""
    return [
        {"name": name, "a": a.get(name), "b": b.get(name), "equal": a.get(name) == b.get(name)}
        for name in dict.fromkeys([*a, *b])
    ]


def _known(beside: list[Row]) -> list[Row]:
    """The same, not taking for equal or for different what a run has not noted."""
    return [{**row, "equal": None if None in (row["a"], row["b"]) else row["equal"]} for row in beside]


def _data(run: Kept) -> dict[str, Any]:
    noted = {name: entry.get("digest") for name, entry in run.comparable.items()}
    return {"source": run.summary.get("source"), "checksum": run.summary.get("checksum") or None, **noted}


def _code(run: Kept) -> dict[str, Any]:
    environment = run.summary.get("environment") or {}
    return {
        "commit": run.code.get("commit"),
        "clean": run.code.get("clean"),
        **({"pipeline": run.code["version"]} if "version" in run.code else {}),
        **{f"image of {step}": image for step, image in (run.code.get("images") or {}).items()},
        "python": environment.get("python"),
        "lock": environment.get("lock"),
        **environment.get("packages", {}),
    }


def lines(a: Kept, b: Kept) -> list[str]:
    """The differences for people."""
    found = differences(a, b)
    head = ("", f"A {a.run_id}", f"B {b.run_id}")
    told = [f"  A  {a.run_id}  {a.use_case}  {commit_words(a)}", f"  B  {b.run_id}  {b.use_case}  {commit_words(b)}"]
    changed = [(row["name"], _value(row["a"]), _value(row["b"])) for row in found["parameters"]]
    told += ["", *(columns(("parameter", *head[1:]), changed) if changed else ["  Parameters are equal."])]
    scores = [
        (row["name"], _number(row["a"]), _number(row["b"]), _signed(row["difference"])) for row in found["metrics"]
    ]
    told += ["", *columns(("metric", *head[1:], "B - A"), scores, right=(1, 2, 3))] if scores else []
    for part in ("data", "code"):
        beside = [(row["name"], _noted(part, row, "a"), _noted(part, row, "b"), _mark(row)) for row in found[part]]
        told += ["", *columns((part, *head[1:], " "), beside)]
    return told


def _mark(row: Row) -> str:
    return {None: UNKNOWN, True: "", False: "differs"}[row["equal"]]


def _noted(part: str, row: Row, side: str) -> str:
    value = row[side]
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    whole = row["name"] in ("source", "python") or (part == "code" and len(str(value)) < 12)
    return str(value) if whole else short(value)


def _value(value: Any) -> str:
    return "–" if value is None else shorten(str(value), 60)


def _number(value: float | None) -> str:
    return written(value, 6)


def _signed(value: float | None) -> str:
    return "–" if value is None else signed(value, 6, zeros=False) if value else "="
