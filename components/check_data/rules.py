"""The deterministic checks: what must hold of a table whatever earlier tables looked like.

Plain pandas: pandera's lazy validation of the 41,975 x 18 music table costs 0.15 s to import and 0.11 s to run for the
first time in a process, these functions 0.02 s.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import pandas as pd

from components.check_data.checks import Check, of_rows, rows_of
from components.check_data.kinds import EXPECTED, fits, words_of_type
from components.check_data.values import check_target, check_values
from components.common.base.errors import nearest
from components.common.base.numbers import written
from components.common.config.base import Kind
from components.common.config.check_data import CheckDataArgument, ColumnCheck

_NO_RULES = ColumnCheck()


def check_rules(frame: pd.DataFrame, section: CheckDataArgument, now: datetime | None = None) -> list[Check]:
    """Applies all deterministic rules.

    Args:
        frame: The clean table.
        section: The rules.
        now: The moment that freshness is measured from; the present by default.

    Returns:
        The checks: that of the table, those of the target, then column by column.
    """
    now = now or datetime.now(UTC)
    checks = [_rows(len(frame), section)]
    times = Counter(map(str, frame.columns))
    for column, kind in {section.target: section.kinds[section.target], **section.kinds}.items():
        present = _present(times, column)
        checks += [present, *_column(frame, column, kind, section, now, present)]
    return checks


def _rows(count: int, section: CheckDataArgument) -> Check:
    low, high = max(section.rows.min, 1), section.rows.max
    rule = f"at least {written(low)} row{'s' * (low > 1)}" + (f", at most {written(high)}" if high else "")
    good = low <= count and (high is None or count <= high)
    mend = "see which rows preprocess removed and whether the download is whole, or change check_data.rows"
    return Check(
        name="rows",
        column="",
        rule=rule,
        observed=f"{written(count)} rows",
        outcome="passed" if good else "failed",
        # Nothing can be learnt from no rows at all, whatever the severity.
        severity=section.rows.severity if count else "error",
        mend=mend,
    )


def _column(
    frame: pd.DataFrame, column: str, kind: Kind, section: CheckDataArgument, now: datetime, present: Check
) -> Iterator[Check]:
    """The other checks of one column. Where one fails that others build on, those are skipped."""
    rules, is_target = section.columns.get(column, _NO_RULES), column == section.target
    blocked = present.observed if present.outcome == "failed" else "" if len(frame) else "the table has no rows"
    series = pd.Series(dtype=object, name=column) if blocked else frame[column]
    empty = bool(series.isna().all())
    typed = _type(series, kind)
    why_untyped = blocked or ("no value to see its type by" if empty else "")
    yield _skipped(typed, why_untyped) if why_untyped else typed
    for check in _presence(series, rules, is_target):
        yield _skipped(check, blocked) if blocked else check
    if not blocked and empty:
        blocked = "every value is missing"
    elif not blocked and typed.outcome == "failed":
        blocked = f"it holds {words_of_type(series)}"
    series = series.iloc[:0] if blocked else series
    checks = [*check_values(series, kind, rules, now)]
    if is_target:
        checks += check_target(series, section.task)
    yield from (_skipped(check, blocked) if blocked else check for check in checks)


def _skipped(check: Check, why: str) -> Check:
    return Check(check.name, check.column, check.rule, f"not checked: {why}", check.severity, "skipped")


def _present(times: Counter[str], column: str) -> Check:
    rule, count = "the column is there, once", times[column]
    if count == 1:
        return Check("present", column, rule, "there", "error", "passed")
    observed = f"the column stands there {count} times" if count else "the column is missing"
    mend = "rename all but one" if count else f"{nearest(column, times)}; else take it out of columns"
    return Check("present", column, rule, observed, "error", "failed", mend=mend)


def _type(series: pd.Series, kind: Kind) -> Check:
    column, words = series.name, words_of_type(series)
    mend = {
        "date": f"give its format: download.columns.{column}.format",
        "numerical": f"mend the values that are no numbers, or declare another kind: columns.{column}",
    }.get(kind, f"declare another kind: columns.{column}")
    good, against = fits(series, kind)
    return of_rows("type", series, f"{kind}: {EXPECTED[kind]}", against, "error", words, words, mend, holds=good)


def _presence(series: pd.Series, rules: ColumnCheck, is_target: bool) -> Iterator[Check]:
    """Missing values, and values that stand twice."""
    column, missing = series.name, series.isna().to_numpy()
    share = missing.mean() if len(missing) else 0.0
    allowed = False if is_target else rules.missing
    if allowed is True:
        rule, good = "values may be missing, but not all", share < 1
    else:
        rule = f"at most {allowed:.6g} of the values missing" if allowed else "no value is missing"
        good = share <= allowed and share < 1
    words = f"{rows_of(missing)} missing" if share else "none missing"
    if share == 1:
        words, mend = "every value is missing", f"mend the source of {column}, or take it out of columns"
    elif is_target:
        mend = "find the values, or remove such rows: preprocess.drop_missing_target=true"
    else:
        enough = math.ceil(share * 100) / 100
        mend = f"fill them (preprocess.fill.{column}) or allow them (check_data.columns.{column}.missing={enough:g})"
    severity = "error" if is_target or share == 1 else rules.severity
    yield of_rows("missing", series, rule, missing, severity, words, words, mend, holds=good)
    if rules.unique:
        repeated = series.duplicated().to_numpy() & ~missing
        yield of_rows(
            "unique",
            series,
            "no value stands twice",
            repeated,
            rules.severity,
            "no value stands twice",
            f"{rows_of(repeated)} repeat an earlier value",
            f"remove the doubled rows, or drop check_data.columns.{column}.unique",
        )
