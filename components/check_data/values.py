"""The checks of single values: finite, in range, of a known class, fresh, and what a target needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from components.check_data.checks import Check, of_rows, rows_of
from components.common.base.errors import nearest, shorten
from components.common.base.numbers import written
from components.common.config.base import Kind, Task
from components.common.config.check_data import ColumnCheck
from components.common.reports.svg import numbers


def check_values(series: pd.Series, kind: Kind, rules: ColumnCheck, now: datetime) -> Iterator[Check]:
    """Applies the rules for the values of one column, whose type is right."""
    if kind == "numerical":
        values = numbers(series)
        yield _finite(series, values)
        if rules.range is not None:
            yield _range(series, values, rules)
    if rules.classes is not None:
        yield _classes(series, rules)
    if rules.fresh_days is not None:
        yield _fresh(series, rules.fresh_days, rules, now)


def check_target(series: pd.Series, task: Task) -> Iterator[Check]:
    """What a target must be for a model to learn it and for splits to be stratified by it."""
    counts = series.value_counts()
    only = f"only {shorten(as_class(counts.index[0]))}" if len(counts) else "no value"
    yield Check(
        name="target varies",
        column=str(series.name),
        rule="at least two different values",
        severity="error",
        observed=f"{len(counts):,} different values" if len(counts) > 1 else only,
        outcome="passed" if len(counts) > 1 else "failed",
        mend="choose another target, or a table that has more of it",
    )
    if task == "classification":
        lone = counts.index[counts < 2]
        smallest = written(int(counts.min())) if len(counts) else "no"
        yield of_rows(
            "class sizes",
            series,
            "every class has at least two rows, as stratified splits need",
            series.isin(lone).to_numpy(),
            "warning",  # a stratified split refuses it itself
            f"the smallest class has {smallest} rows",
            f"one row only: {_named(lone)}",
            "find more of them, remove them, or set segregate.stratify=false",
        )


def as_class(value: Any) -> str:
    """A value as the config writes it: whole numbers without a decimal point, whatever their type in the table."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _finite(series: pd.Series, values: np.ndarray) -> Check:
    infinite = np.isinf(values)
    mend = f"mend what makes it, such as a division by zero, or bound it: preprocess.bounds.{series.name}"
    return of_rows(
        "finite", series, "no value is infinite", infinite, "error", "all finite", f"{rows_of(infinite)} infinite", mend
    )


def _range(series: pd.Series, values: np.ndarray, rules: ColumnCheck) -> Check:
    low, high = rules.range or (None, None)
    rule = (
        " and ".join(
            f"{words} {bound:.15g}" for words, bound in (("at least", low), ("at most", high)) if bound is not None
        )
        or "any number"
    )
    # Comparisons with NaN are false, so missing values pass; infinite ones are another check's.
    finite = np.isfinite(values)
    bad = np.zeros(len(values), bool)
    if low is not None:
        bad |= (values < low) & finite
    if high is not None:
        bad |= (values > high) & finite
    seen = values[finite]
    span = f"{seen.min():.6g} to {seen.max():.6g}" if len(seen) else "no finite value"
    mend = f"remove such rows (preprocess.bounds.{series.name}) or widen check_data.columns.{series.name}.range"
    return of_rows("range", series, rule, bad, rules.severity, span, f"{span}, {rows_of(bad)} outside", mend)


def _classes(series: pd.Series, rules: ColumnCheck) -> Check:
    known = rules.classes or []
    found = series.dropna().unique()
    unknown = [value for value in found if as_class(value) not in known]
    bad = series.isin(unknown).to_numpy()
    hint = f"{nearest(as_class(unknown[0]), known)}; " if unknown else ""
    mend = f"{hint}a value that is right belongs in check_data.columns.{series.name}.classes"
    return of_rows(
        "classes",
        series,
        "one of " + shorten(", ".join(known), 300),
        bad,
        rules.severity,
        f"{len(found)} of {len(known)} known values",
        f"unknown {_named(unknown)} in {rows_of(bad)}",
        mend,
    )


def _fresh(series: pd.Series, days: float, rules: ColumnCheck, now: datetime) -> Check:
    latest = series.max() if len(series) else pd.NaT
    observed, good = "no date", False
    if not pd.isna(latest):
        stamp = pd.Timestamp(latest)
        # Dates without a time zone are taken as UTC.
        stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp
        age = (pd.Timestamp(now) - stamp).total_seconds() / 86400
        observed, good = f"the latest is {stamp.date()}, {age:,.1f} days old", age <= days
    return Check(
        name="fresh",
        column=str(series.name),
        rule=f"the latest date is at most {days:g} days old",
        observed=observed,
        severity=rules.severity,
        outcome="passed" if good else "failed",
        mend=f"get newer data, or raise check_data.columns.{series.name}.fresh_days",
    )


def _named(values: Iterable[Any]) -> str:
    return shorten(", ".join(sorted(repr(as_class(value)) for value in values)), 200)
