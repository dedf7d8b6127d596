"""The page that shows every check and every column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from components.check_data.checks import Check, summary
from components.check_data.drift import category_counts
from components.check_data.kinds import fits
from components.common.base.errors import shorten, some
from components.common.base.numbers import written
from components.common.config.base import Kind
from components.common.config.check_data import CheckDataArgument
from components.common.reports import charts, html
from components.common.reports.svg import finite

LARGEST = 15
"""Categories that get a bar."""
DRAWN = 200
"""Columns that are drawn at most."""
_CLASSES = 50
"""Classes whose shares are listed."""
LISTED = 1000
"""Checks that get a row each; where there are more, checks that went alike share one."""


def report_page(
    checks: Sequence[Check],
    frame: pd.DataFrame,
    reference: pd.DataFrame | None,
    section: CheckDataArgument,
    source: str,
    facts: Mapping[str, str],
) -> str:
    """The report as an HTML page.

    Args:
        checks: All checks.
        frame: The clean table.
        reference: The table compared with, if there is one.
        section: The step's section.
        source: What the reference is, in words; empty where there is none.
        facts: Name to text, for the head: the source of the rows, and which of them preprocess has removed.
    """
    counts = summary(checks, len(frame))
    against = f"compared with {source}, {len(reference):,} rows" if reference is not None else "no reference yet"
    amiss = [check for check in checks if check.outcome != "passed"]
    marks: dict[str, set[str]] = {}
    for check in checks:
        marks.setdefault(check.column, set()).add(_kind_of(check))
    columns = _drawn(frame, section, marks)
    drawn = [_column(frame, reference, column, section.kinds[column], marks[column]) for column in columns[:DRAWN]]
    note = "Bars show this table" + (", what is orange the reference." if reference is not None else ".")
    note += " Beside a number's name: lowest · median · highest."
    aside = [column for column, kind in section.kinds.items() if kind == "identifier"]
    if aside:
        note += f" Identifiers are not drawn: {some(aside)}."
    if columns[DRAWN:]:
        note = f"{DRAWN:,} of {len(columns):,} columns, those that need a look and the target first. {note}"
    return html.page(
        "Data checks",
        f"{section.task} of {section.target} · {against}",
        _verdict(counts),
        _cards(counts, frame.shape[1]),
        html.section("What needs a look", _table(amiss)) if amiss else "",
        *_target(frame, section),
        html.section("Columns", html.gallery(*drawn), note=note) if drawn else "",
        html.section("Every check", _table(checks), note="A click on a heading sorts."),
        facts=facts,
    )


def _target(frame: pd.DataFrame, section: CheckDataArgument) -> list[html.Markup]:
    """How often each class is there, and the columns that tell nothing since they hold one value alone."""
    sections = []
    if section.task == "classification" and section.target in frame and frame.columns.is_unique:
        counts = category_counts(frame[section.target])
        top = counts.head(_CLASSES)
        names = [f"{name} ({rows:,})" for name, rows in top.items()]
        label = f"shares of the classes of {section.target}"
        shares = charts.bars(names, (top / len(frame)).tolist(), format="{:.1%}".format, label=label)
        words = f"{len(counts):,} classes of {section.target}"
        words += f", the {_CLASSES} most frequent" if len(counts) > _CLASSES else ""
        if len(counts) > 1:
            words += f"; the most frequent has {counts.iloc[0] / counts.iloc[-1]:,.1f} times the rows of the rarest"
        sections.append(html.section("Class shares", html.figure(shares), note=f"{words}. Rows in brackets."))
    constant = [name for name in section.kinds if name in frame and name != section.target and _constant(frame[name])]
    if constant:
        note = f"They hold one value alone, and tell nothing: {some(constant)}."
        sections.append(html.section("Constant columns", note=note))
    return sections


def _constant(values: pd.Series | pd.DataFrame) -> bool:
    if isinstance(values, pd.DataFrame):  # two columns of one name
        return False
    there = values.dropna()
    return len(values) > 1 and (not len(there) or (len(there) == len(values) and bool((there == there.iloc[0]).all())))


def _drawn(frame: pd.DataFrame, section: CheckDataArgument, marks: dict[str, set[str]]) -> list[str]:
    """The columns that can be drawn, in the order of the config; of too many the most important ones first."""
    times = Counter(map(str, frame.columns))
    columns = [name for name, kind in section.kinds.items() if kind != "identifier" and times[name] == 1]
    if len(columns) > DRAWN:
        columns.sort(
            key=lambda name: ("failed" not in marks[name], "warning" not in marks[name], name != section.target)
        )
    return columns


def _cards(counts: dict[str, int], columns: int) -> html.Markup:
    outcomes = {"passed": "passed", "failed": "failed", "warnings": "warning", "skipped": ""}
    return html.cards(
        [
            ("rows", counts["rows"]),
            ("columns", columns),
            ("checks", counts["checks"]),
            *((name, counts[name], kind if counts[name] else "") for name, kind in outcomes.items()),
        ]
    )


def _verdict(counts: dict[str, int]) -> html.Markup:
    warnings = f"{counts['warnings']} warning{'s' * (counts['warnings'] != 1)}"
    ran = counts["checks"] - counts["skipped"]
    if counts["failed"]:
        also = f", with {warnings} besides" if counts["warnings"] else ""
        return html.verdict("failed", f"Not accepted: {counts['failed']:,} of {ran:,} checks failed{also}.")
    if counts["warnings"]:
        return html.verdict("warning", f"Accepted with {warnings}: {counts['passed']:,} of {ran:,} checks passed.")
    skipped = f" {counts['skipped']} could not be made." if counts["skipped"] else ""
    return html.verdict("passed", f"Accepted: all {ran:,} checks passed.{skipped}")


def _kind_of(check: Check) -> str:
    return "warning" if check.outcome == "failed" and not check.stops else check.outcome


def _table(checks: Sequence[Check]) -> html.Markup:
    order = {"failed": 0, "warning": 1, "skipped": 2, "passed": 3}
    ranked = sorted(checks, key=lambda check: order[_kind_of(check)])
    groups = [[check] for check in ranked] if len(ranked) <= LISTED else _alike(ranked)
    kinds = [_kind_of(group[0]) for group in groups]
    rows = [
        [
            html.badge(kind, kind),
            _columns_of(group),
            group[0].name,
            group[0].rule,
            shorten(some(list(dict.fromkeys(map(_observed, group)))), 300),
            None if group[0].bad_rows is None else sum(check.bad_rows or 0 for check in group),
            group[0].severity,
        ]
        for group, kind in zip(groups, kinds, strict=True)
    ]
    columns = ["outcome", "column", "check", "rule", "observed", "bad rows", "severity"]
    return html.table(columns, rows, numeric=["bad rows"], row_classes=kinds)


def _alike(ranked: Sequence[Check]) -> list[list[Check]]:
    """Groups checks of one rule and outcome; those that failed stand alone as long as there is room."""
    groups: dict[Any, list[Check]] = {}
    for at, check in enumerate(ranked):
        alone = at if check.outcome == "failed" and at < LISTED // 2 else None
        groups.setdefault((alone, _kind_of(check), check.name, check.rule, check.severity), []).append(check)
    return list(groups.values())


def _columns_of(group: Sequence[Check]) -> str:
    names = [check.column or "whole table" for check in group]
    return names[0] if len(names) == 1 else f"{len(names):,} columns: {some(names)}"


def _observed(check: Check) -> str:
    if check.first_row is None or check.name == "missing":
        return check.observed
    return f"{check.observed}; first {shorten(check.first_value, 80)} in row {check.first_row:,}"


def _column(
    frame: pd.DataFrame, reference: pd.DataFrame | None, column: str, kind: Kind, marks: set[str]
) -> html.Markup:
    """A figure of one column: drawn by its kind, or by what it holds where that is not what was declared."""
    series = frame[column]
    past = None
    size: Literal["", "tall"] = ""
    if reference is not None and column in reference and fits(reference[column], kind)[0]:
        past = reference[column]
    missing = int(series.isna().sum())
    words = [f"{missing:,} missing"] if missing else []
    if not fits(series, kind)[0]:
        kind, past = "categorical", None
    if kind == "numerical":
        chart = charts.histogram(series, past, label=column)
        values = finite(series)
        if len(values):
            words.insert(0, " · ".join(written(value) for value in (values.min(), np.median(values), values.max())))
    elif kind == "date":
        chart = charts.timeline(series, past, label=column)
        if missing < len(series):
            words.insert(0, f"{series.min().date()} to {series.max().date()}")
    elif kind == "text":
        lengths = series.dropna().astype("str").str.len()
        chart = charts.histogram(lengths, None if past is None else past.dropna().astype("str").str.len(), label=column)
        words.insert(0, "letters per text")
    else:
        counts = category_counts(series)
        chart = _shares(counts, past, column)
        distinct = series.nunique()
        several = f"{distinct:,} value{'s' * (distinct != 1)}"
        words.insert(0, several + (f", the {LARGEST} most frequent" if len(counts) > LARGEST else ""))
        size = "tall" if len(counts) > 8 else ""
    worst = next((mark for mark in ("failed", "warning") if mark in marks), "")
    detail = html.Markup(html.escape(" · ".join(words)) + (" " + html.badge(worst, worst) if worst else ""))
    return html.figure(chart, column, detail, size=size)


def _shares(counts: pd.Series, past: pd.Series | None, column: str) -> str:
    """Bars of the most frequent categories."""
    top = counts.head(LARGEST)
    compared = None
    if past is not None and len(past):
        compared = (category_counts(past).reindex(top.index, fill_value=0) / len(past)).tolist()
    shares = (top / max(int(counts.sum()), 1)).tolist()
    names = [str(name) for name in top.index]
    label = f"shares of {column}"
    return charts.bars(names, shares, reference=compared, width=320, format="{:.1%}".format, label=label)
