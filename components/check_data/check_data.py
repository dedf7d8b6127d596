"""The step check_data: lets a clean table pass, or refuses it, with a report either way."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from components.check_data.checks import Check, refusal, summary
from components.check_data.reference import reference_table
from components.common.base.errors import Refusal, nearest
from components.common.base.files import written_whole
from components.common.config.base import accept
from components.common.config.check_data import CheckDataArgument
from components.common.config.patterns import is_pattern
from components.common.reports.html import write_page
from components.common.tables.parquet import read_table

if TYPE_CHECKING:
    import pandas as pd


def check_file(
    section: dict[str, Any],
    clean: str,
    reference: str,
    accepted: str,
    report: str,
    tell: Callable[[dict[str, int]], None] | None = None,
    now: datetime | None = None,
    called: str = "",
    removed: str = "",
    facts: Mapping[str, str] | None = None,
) -> list[Check]:
    """Checks a table, writes the report, and hands the table on if no check of severity error failed.

    Args:
        section: The step's section, `CheckDataArgument`.
        clean: The clean table, parquet.
        reference: The previous accepted table, parquet; empty where there is none. A declared one wins over it.
        accepted: Where the accepted table goes: the same bytes.
        report: Where the HTML report goes, written whatever the outcome.
        tell: Called with the `summary` once the report is written, also when the table is then refused.
        now: The moment that freshness is measured from; the present by default.
        called: What users call the table, for refusals; its path by default.
        removed: The rows that preprocess has removed, in words.
        facts: Name to text, for the head of the report.

    Returns:
        Every check with its outcome.

    Raises:
        Refusal: Some checks of severity error failed (it names each), or a rule or the reference cannot be used.
    """
    frame = read_table(clean)
    declared = accept(CheckDataArgument, section, "section check_data")
    rules = declared.of_table(list(map(str, frame.columns)))
    _usable(rules)
    from components.check_data.drift import check_columns
    from components.check_data.report_page import report_page

    past, source = reference_table(rules, reference)
    checks = check_table(frame, past, rules, now)
    if past is not None and any(map(is_pattern, declared.kinds)):
        checks.append(check_columns(frame, past, declared))
    write_page(report, report_page(checks, frame, past, rules, source, facts or {}))
    if tell:
        tell(summary(checks, len(frame)))
    if any(check.stops for check in checks):
        raise refusal(checks, called or clean, report, removed)
    _hand_on(clean, accepted)
    return checks


def check_table(
    frame: pd.DataFrame, reference: pd.DataFrame | None, rules: CheckDataArgument, now: datetime | None = None
) -> list[Check]:
    """Applies every check, the deterministic ones and those against the reference, to a table."""
    from components.check_data.drift import check_drift
    from components.check_data.rules import check_rules

    return check_rules(frame, rules, now) + check_drift(frame, reference, rules)


def _usable(rules: CheckDataArgument) -> None:
    """Refuses rules for columns that are not declared, or not of a kind that the rule is for."""
    named = [("target", rules.target)]
    named += [(f"columns.{column}", column) for column in rules.columns]
    named += [("drift.numerical", column) for column in rules.drift.numerical or ()]
    named += [("drift.categorical", column) for column in rules.drift.categorical]
    for field, column in named:
        if column not in rules.kinds:
            raise Refusal(
                f"{column!r} is no declared column",
                where=f"check_data.{field}",
                rule="the target and rules must be about columns of the clean table",
                mend=nearest(column, rules.kinds),
            )
    needs = [("target", rules.target, "numerical")] * (rules.task == "regression")
    needs += [("drift.numerical", column, "numerical") for column in rules.drift.numerical or ()]
    for column, rule in rules.columns.items():
        needs += [(f"columns.{column}.range", column, "numerical")] * (rule.range is not None)
        needs += [(f"columns.{column}.fresh_days", column, "date")] * (rule.fresh_days is not None)
    for field, column, kind in needs:
        if rules.kinds[column] != kind:
            raise Refusal(
                f"the column {column!r} is {rules.kinds[column]}",
                where=f"check_data.{field}",
                rule=f"this must be a {kind} column",
                mend="change it, or declare another kind of column",
            )


def _hand_on(clean: str, accepted: str) -> None:
    """Gives the accepted table the clean one's bytes, without copying them where the file system can."""
    with written_whole(accepted) as beside:
        try:
            os.link(clean, beside)
        except OSError:
            shutil.copyfile(clean, beside)
