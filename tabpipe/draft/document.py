"""A draft as a YAML file, with the reasons as comments."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from components.common.base.errors import shorten
from components.common.inference.values import text_of
from tabpipe.draft.families import families, fitting

if TYPE_CHECKING:
    from tabpipe.draft.decisions import Draft
    from tabpipe.draft.profile import Profile

_MANY = 100
"""So many numerical columns have no range rule each."""
_MOST_CLASSES = 100
"""So many classes of a target are listed."""
_STEP = 20
"""Allowed shares of missing values are rounded up to so many parts of one."""


def as_yaml(found: Draft) -> str:
    """Write a draft as a config."""
    wide = families(found.columns, found.target)
    lines = [
        "# yaml-language-server: $schema=schema.json",
        f"# Drafted from {_plain(found.table)}, {found.rows:,} rows: look at every kind and range before you trust it.",
        f"target: {value_quoted(found.target)}",
        f"task: {found.task}{_comment(found.why)}",
        "columns:  # numerical, categorical, text, date, or identifier (kept, never a feature)",
        *_columns(found, wide),
        *(f"  # {_plain(name)}: left out, it holds lists or records" for name in found.nested),
        *_download(found),
        *_preprocess(found),
        *_check_data(found, wide),
        *_section("segregate", found.segregate, found.notes.get("segregate", ()), found.offers),
        "train:",
        "  model: auto  # chosen by cross-validation; or random_forest, hist_gradient_boosting, linear, …",
    ]
    return "\n".join(lines) + "\n"


def _columns(found: Draft, wide: dict[str, list[Profile]]) -> list[str]:
    """The columns and their kinds; in the place of those that patterns stand for, the patterns."""
    together = {one.name for members in wide.values() for one in members}
    caught = {one.name for one in fitting(list(wide), found.columns)}
    lines = []
    for column in found.columns:
        if column.left_out and column.name in caught:
            lines.append(f"  {quoted(column.name)}: identifier{_comment(f'no feature: {column.left_out}')}")
        elif column.name not in together:
            lines += _column(column)
    for pattern, members in wide.items():
        lines.append(f"  {quoted(pattern)}: {members[0].kind}  # {len(members):,} columns")
        lines += [f"  # ^ {_plain(one.name)}: {_plain(note)}" for one in members for note in one.notes]
    return lines


def _column(column: Profile) -> list[str]:
    notes = [f"  # ^ {_plain(note)}" for note in column.notes]
    if column.left_out:
        return [f"  # {_plain(quoted(column.name))}: left out, {_plain(column.left_out)}", *notes]
    return [f"  {quoted(column.name)}: {column.kind}{_comment(column.why)}", *notes]


def _download(found: Draft) -> list[str]:
    lines = [f"  source: {value_quoted(found.table)}"]
    lines += [f"  {key}: {_flow(value)}" for key, value in found.reading.items()]
    own = {column.name: way for column in found.kept if (way := _own_way(column, found.reading))}
    if own:
        lines += ["  columns:", *(f"    {quoted(name)}: {_flow(way)}" for name, way in own.items())]
    for column in found.kept:
        if column.sentinel:
            value, share = column.sentinel
            words = f"if that means missing: {share:.1%} of the values, far from all others"
            lines.append(f"  # columns: {{{quoted(column.name)}: {{missing: [{text_of(value)}]}}}}  # {words}")
    return ["download:", *lines]


def _own_way(column: Profile, reading: dict[str, Any]) -> dict[str, Any]:
    """What of the way of a column does not hold for the whole table."""
    own = {key: value for key, value in column.way.items() if value != reading.get(key)}
    marks = [mark for mark in own.pop("missing", ()) if mark not in reading.get("missing", ())]
    return {**own, **({"missing": marks} if marks else {})}


def _preprocess(found: Draft) -> list[str]:
    values, notes = {}, []
    if found.missing_targets:
        values["drop_missing_target"] = True
        notes.append(f"{_rows(found.missing_targets, found.rows)} have no target, and are removed.")
    if found.equal_rows:
        notes.append(f"{_rows(found.equal_rows, found.rows)} equal an earlier one, and are kept: equal rows may be")
        notes.append("observations. `preprocess: {drop_duplicates: true}` removes them.")
    return _section("preprocess", values, notes)


def _rows(count: int, rows: int) -> str:
    return f"{count:,} of {rows:,} rows ({count / rows:.1%})"


def _check_data(found: Draft, wide: dict[str, list[Profile]]) -> list[str]:
    lines = ["check_data:", f"  rows: {{min: {max(1, (found.rows - found.missing_targets) // 2)}}}"]
    many = sum(column.kind == "numerical" for column in found.kept) > _MANY
    together = {one.name for members in wide.values() for one in members}
    alone = [column for column in found.kept if column.name not in together]
    rules = {column.name: rule for column in alone if (rule := _rules(column, found, many))}
    for pattern in wide:
        if any(column.missing for column in fitting([pattern], found.columns)):
            rules[pattern] = ["missing: true"]
    lines += ["  columns:"] * bool(rules)
    return lines + [f"    {quoted(name)}: {{{', '.join(rule)}}}" for name, rule in rules.items()]


def _rules(column: Profile, found: Draft, many: bool) -> list[str]:
    """The rules that the table keeps with room to spare: missing values where it has some, classes of the target."""
    is_target, rules = column.name == found.target, []
    absent = column.missing / column.rows + (column.sentinel[1] if column.sentinel else 0.0)
    if absent and not is_target:
        share = math.ceil((2 * absent + 0.05) * _STEP) / _STEP
        rules.append(f"missing: {'true' if share >= 1 else f'{share:g}'}")
    if is_target and found.task == "classification" and 0 < len(column.classes or ()) <= _MOST_CLASSES:
        rules.append("classes: [" + ", ".join(value_quoted(name) for name in sorted(column.classes or ())) + "]")
    if column.kind == "numerical" and column.span and not many and not column.grows:
        rules.append("range: [{}, {}]".format(*_wide(*column.span)))
    return rules


def _wide(low: float, high: float) -> tuple[str, str]:
    """The span of a column and as much again on either side; what was never negative stays so."""
    slack = (high - low) or abs(high) or 1.0
    floor = max(low - slack, 0.0) if low >= 0 else low - slack
    return _rounded(floor, math.floor), _rounded(high + slack, math.ceil)


def _rounded(value: float, to: Any) -> str:
    """Three digits or so, away from the span, without an exponent where it can be."""
    if value == 0 or not math.isfinite(value):
        return "null" if value else "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    found = to(value * 10.0**digits) / 10.0**digits if digits < 300 else value
    return f"{found:.0f}" if digits <= 0 and abs(found) < 1e15 else text_of(float(f"{found:.12g}"))


def _section(name: str, values: dict[str, Any], notes: Iterable[str], offers: Mapping[str, Any] = {}) -> list[str]:
    """A section; commented out where it sets nothing by itself."""
    offered = [f"# {key}: {_flow(value)}" for key, value in offers.items()]
    lines = [*(f"# {_plain(note)}" for note in notes), *(f"{key}: {_flow(value)}" for key, value in values.items())]
    if values or not (lines or offered):
        return [f"{name}:", *(f"  {line}" for line in [*lines, *offered])] * bool(values)
    return [*lines, *[f"# {name}:"] * bool(offered), *(f"#   {line.removeprefix('# ')}" for line in offered)]


def _comment(text: str) -> str:
    return f"  # {_plain(text)}" if text else ""


def _plain(text: str) -> str:
    """A text as a comment, on one line."""
    return "".join(one if one.isprintable() else "?" for one in shorten(" ".join(text.split()), 300))


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(str(key))}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return value_quoted(value) if isinstance(value, str) else json.dumps(value)


def value_quoted(text: str) -> str:
    """A YAML scalar that OmegaConf, which puts other values in place of ${…}, reads back as this very string."""
    return quoted(text.replace("${", "\\${"))


def quoted(text: str) -> str:
    """A YAML scalar that is read back as this very string, whichever reader of YAML it meets."""
    import yaml

    if re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", text) and yaml.safe_load(text) == text:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
