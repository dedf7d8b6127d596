"""The deterministic checks: what must hold of a table whatever earlier tables looked like.

Plain pandas: pandera's lazy validation of the 41,975 x 18 music table costs 0.15 s to import and 0.11 s to run for the
first time in a process, these functions 0.02 s.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from components.check_data.checks import Check
from components.check_data.kinds import EXPECTED, fits, words_of_type
from components.common.errors import nearest, shorten
from components.common.report import figures
from components.common.sections import CheckDataArgument, ColumnCheck, Kind
from components.common.sections.section import Severity
from components.common.svg import numbers


def check_rules(frame: pd.DataFrame, section: CheckDataArgument, now: datetime | None = None) -> list[Check]:
    """Applies all deterministic rules.

    Args:
        frame: The clean table.
        section: The rules.
        now: The moment that freshness is measured from; the present by default.

    Returns:
        The checks: those of the table, then column by column, then those of the target.
    """
    now = now or datetime.now(UTC)
    checks = [_rows(len(frame), section)]
    for column, kind in {section.target: _kind_of_target(section), **section.kinds}.items():
        rules = section.columns.get(column, ColumnCheck())
        checks += _column(frame, column, kind, rules, section, now)
    return checks


def _kind_of_target(section: CheckDataArgument) -> Kind:
    return "numerical" if section.task == "regression" else "categorical"


def _rows(count: int, section: CheckDataArgument) -> Check:
    low, high = max(section.rows.min, 1), section.rows.max
    rule = f"at least {figures(low)} row{'s' * (low > 1)}" + (f", at most {figures(high)}" if high else "")
    good = low <= count and (high is None or count <= high)
    # Nothing can be trained on no rows at all, whatever the severity.
    severity = section.rows.severity if count else "error"
    mend = ("look whether the download is whole and which rows preprocess removed, or change check_data.rows"
            if count else "look which of preprocess's rules removed all rows")  # fmt: skip
    return Check("rows", "", rule, f"{figures(count)} rows", severity, "passed" if good else "failed", mend=mend)


def _column(
    frame: pd.DataFrame, column: str, kind: Kind, rules: ColumnCheck, section: CheckDataArgument, now: datetime
) -> Iterator[Check]:
    """All checks of one column. Where one fails that others build on, those are skipped."""
    present = _present(frame, column)
    yield present
    blocked = "" if present.outcome == "passed" else present.observed
    if not blocked and not len(frame):
        blocked = "the table has no rows"
    series = pd.Series(dtype=object) if blocked else frame[column]
    is_target = column == section.target
    typed = _type(series, column, kind)
    if blocked:
        yield _skipped(typed, blocked)
    elif series.isna().all():
        yield _skipped(typed, "no value to see its type by")
    else:
        yield typed
    yield from (_skipped(check, blocked) if blocked else check for check in _presence(series, column, rules, is_target))
    if not blocked and series.isna().all():
        blocked = "every value is missing"
    if not blocked and typed.outcome == "failed":
        blocked = f"it holds {words_of_type(series)}"
    for check in _values(series.iloc[:0] if blocked else series, column, kind, rules, now):
        yield _skipped(check, blocked) if blocked else check
    if is_target:
        for check in _target(series, column, section):
            yield _skipped(check, blocked) if blocked else check


def _skipped(check: Check, why: str) -> Check:
    return Check(check.name, check.column, check.rule, f"not checked: {why}", check.severity, "skipped")


def _present(frame: pd.DataFrame, column: str) -> Check:
    count = int((frame.columns == column).sum())
    observed = "there" if count == 1 else "the column is missing" if not count else f"it stands there {count} times"
    mend = "rename all but one" if count else f"{nearest(column, map(str, frame.columns))}; else take it out of columns"
    return Check("present", column, "the column is there, once", observed, "error",
                 "passed" if count == 1 else "failed", mend=mend)  # fmt: skip


def _type(series: pd.Series, column: str, kind: Kind) -> Check:
    good, bad = fits(series, kind)
    observed = words_of_type(series)
    mend = {
        "date": f"give its format: preprocess.date_format.{column}",
        "numerical": f"mend the values that are no numbers, or declare another kind: columns.{column}",
    }.get(kind, f"declare another kind: columns.{column}")
    return _of_rows("type", column, f"{kind}: {EXPECTED[kind]}", None if good else bad, series, "error", observed, mend)


def _presence(series: pd.Series, column: str, rules: ColumnCheck, is_target: bool) -> Iterator[Check]:
    """Missing values, and values that stand twice."""
    missing = series.isna().to_numpy()
    count, total = int(missing.sum()), max(len(series), 1)
    allowed = False if is_target else rules.missing
    if allowed is False:
        rule, good = "no value is missing", not count
    elif allowed is True:
        rule, good = "values may be missing, but not all", True
    else:
        rule, good = f"at most {allowed:.3%} of the values are missing", count <= allowed * total
    all_missing = count == total
    severity: Severity = "error" if is_target or all_missing else rules.severity
    observed = (
        "every value is missing" if all_missing else f"{_rows_of(count, total)} missing" if count else "none missing"
    )
    share = np.ceil(count / total * 100) / 100
    mend = ("remove such rows: preprocess.drop_missing_target=true" if is_target else
            f"take the column out of columns, or mend the source of {column}" if all_missing else
            f"fill them (preprocess.fill.{column}) or allow them (check_data.columns.{column}.missing={share:g})")  # fmt: skip
    yield _of_rows(
        "missing", column, rule, None if good and not all_missing else missing, series, severity, observed, mend
    )
    if rules.unique:
        repeated = series.duplicated().to_numpy() & ~missing
        count = int(repeated.sum())
        observed = f"{_rows_of(count, total)} repeat an earlier value" if count else "no value stands twice"
        yield _of_rows("unique", column, "no value stands twice", repeated if count else None, series, rules.severity,
                       observed, f"remove the doubled rows, or drop check_data.columns.{column}.unique")  # fmt: skip


def _values(series: pd.Series, column: str, kind: Kind, rules: ColumnCheck, now: datetime) -> Iterator[Check]:
    """What the values themselves must be."""
    if kind == "numerical":
        values = numbers(series) if len(series) else np.zeros(0)
        infinite = np.isinf(values)
        count = int(infinite.sum())
        yield _of_rows("finite", column, "no value is infinite", infinite if count else None, series, "error",
                       f"{_rows_of(count, len(values))} infinite" if count else "all finite",
                       f"mend what makes it, such as a division by zero, or bound it: preprocess.bounds.{column}")  # fmt: skip
        if rules.range is not None:
            yield _range(series, values, column, rules)
    if rules.classes is not None:
        yield _classes(series, column, rules)
    if rules.fresh_days is not None:
        yield _fresh(series, column, rules, now)


def _range(series: pd.Series, values: np.ndarray, column: str, rules: ColumnCheck) -> Check:
    low, high = rules.range or (None, None)
    rule = (f"{low:g} to {high:g}" if low is not None and high is not None else f"at least {low:g}" if low is not None
            else f"at most {high:g}" if high is not None else "any number")  # fmt: skip
    # Comparisons with NaN are false, so missing values pass; infinite ones are another check's.
    finite = np.isfinite(values)
    bad = np.zeros(len(values), bool)
    if low is not None:
        bad |= (values < low) & finite
    if high is not None:
        bad |= (values > high) & finite
    seen = values[finite]
    observed = f"{seen.min():.6g} to {seen.max():.6g}" if len(seen) else "no finite value"
    if bad.any():
        observed += f", {_rows_of(int(bad.sum()), len(values))} outside"
    return _of_rows("range", column, rule, bad if bad.any() else None, series, rules.severity, observed,
                    f"remove such rows (preprocess.bounds.{column}) or widen check_data.columns.{column}.range")  # fmt: skip


def _classes(series: pd.Series, column: str, rules: ColumnCheck) -> Check:
    known = set(rules.classes or ())
    found = series.dropna().unique()
    unknown = [value for value in found if as_class(value) not in known]
    rule = "one of " + shorten(", ".join(rules.classes or ()), 300)
    if not unknown:
        return Check("classes", column, rule, f"{len(found)} of {len(known)} known values", rules.severity, "passed")
    bad = series.isin(unknown).to_numpy()
    named = shorten(", ".join(sorted(repr(as_class(value)) for value in unknown)), 200)
    observed = f"{len(unknown)} unknown: {named} in {_rows_of(int(bad.sum()), len(series))}"
    hint = nearest(as_class(unknown[0]), known)
    return _of_rows("classes", column, rule, bad, series, rules.severity, observed,
                    f"{hint}; a value that is right belongs in check_data.columns.{column}.classes")  # fmt: skip


def as_class(value: Any) -> str:
    """A value as the config writes it: whole numbers without a decimal point, whatever their type in the table."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _fresh(series: pd.Series, column: str, rules: ColumnCheck, now: datetime) -> Check:
    rule = f"the latest date is at most {rules.fresh_days:g} days old"
    mend = f"get newer data, or raise check_data.columns.{column}.fresh_days"
    latest = series.max() if len(series) else pd.NaT
    if pd.isna(latest):
        return Check("fresh", column, rule, "no date", rules.severity, "failed", mend=mend)
    stamp = pd.Timestamp(latest)
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp
    age = (pd.Timestamp(now) - stamp).total_seconds() / 86400
    return Check("fresh", column, rule, f"the latest is {stamp.date()}, {age:,.1f} days old", rules.severity,
                 "passed" if age <= (rules.fresh_days or 0) else "failed", mend=mend)  # fmt: skip


def _target(series: pd.Series, column: str, section: CheckDataArgument) -> Iterator[Check]:
    """What a target must be for a model to learn it and for splits to be stratified by it."""
    counts = series.value_counts()
    observed = f"{len(counts):,} different values" if len(counts) != 1 else f"only {shorten(counts.index[0])}"
    yield Check("target varies", column, "at least two different values", observed, "error",
                "passed" if len(counts) > 1 else "failed", mend="choose another target, or a table that has more of it")  # fmt: skip
    if section.task == "classification":
        lone = counts.index[counts < 2]
        named = shorten(", ".join(sorted(repr(as_class(value)) for value in lone)), 200)
        observed = (
            f"one row only: {named}"
            if len(lone)
            else f"the smallest has {figures(int(counts.min() if len(counts) else 0))}"
        )
        yield _of_rows("class sizes", column, "every class has at least two rows, as stratified splits need",
                       series.isin(lone).to_numpy() if len(lone) else None, series, "error", observed,
                       "remove such rows, or find more of them")  # fmt: skip


def _rows_of(count: int, total: int) -> str:
    return f"{count:,} row{'s' * (count != 1)} ({count / max(total, 1):.2%})"


def _of_rows(
    name: str, column: str, rule: str, bad: np.ndarray | None, series: pd.Series, severity: Severity, observed: str,
    mend: str,
) -> Check:  # fmt: skip
    """A check about single rows; `bad` marks those that break the rule, None means that all is well."""
    if bad is None:
        return Check(name, column, rule, observed, severity, "passed", bad_rows=0)
    rows = np.flatnonzero(bad)
    first = int(rows[0]) if len(rows) else None
    value = None if first is None else series.iloc[first]
    value = value.item() if isinstance(value, np.generic) else value
    return Check(name, column, rule, observed, severity, "failed", len(rows), first, value, mend)
