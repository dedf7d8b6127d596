"""The report of a batch: what was answered, what was refused and why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from components.common.base.numbers import written
from components.common.batch import percentage
from components.common.reports import charts, html

if TYPE_CHECKING:
    from components.common.artifacts import Version
    from components.common.batch import Tally
    from components.common.config.predict import PredictArgument
    from components.common.inference import Predictor

_MOST = 100
"""Reasons that are listed."""


def write_report(
    path: str | os.PathLike[str], argument: PredictArgument, version: Version, predictor: Predictor, tally: Tally
) -> None:
    """Writes the page.

    Args:
        path: Where to.
        argument: What was asked for.
        version: The model's.
        predictor: The model.
        tally: What came of it.
    """
    unknown = sum(tally.unknown.values())
    cards = [
        ("Rows", tally.rows),
        ("Answered", tally.answered),
        ("Refused", tally.refused, "failed" if tally.refused else ""),
        ("Unknown values", unknown, "warning" if unknown else ""),
    ]
    html.write_page(
        path,
        html.page(
            f"Predictions of {predictor.target}",
            f"{version.ref}, made {version.created[:16].replace('T', ' ')} UTC",
            _verdict(tally),
            html.cards(cards),
            *_answers(predictor, tally),
            *_refused(tally),
            *_unknown(tally),
            *_missing(predictor, tally),
        ),
    )


def _verdict(tally: Tally) -> Any:
    if not tally.rows:
        return html.verdict("warning", "No row was answered.")
    if not tally.refused:
        return html.verdict("passed", "All rows were answered.")
    share = percentage(tally.refused, tally.rows)
    kind: html.Kind = "warning" if tally.answered else "failed"
    return html.verdict(kind, f"{tally.refused:,} of {tally.rows:,} rows ({share}) were refused.")


def _answers(predictor: Predictor, tally: Tally) -> list[Any]:
    if not tally.answered:
        return []
    if predictor.classes is None:
        picture = charts.histogram(tally.values, label=predictor.target, width=640, height=220)
        words = f"{written(tally.low)} to {written(tally.high)}, mean "
        words += written(tally.total / tally.answered)
        return [html.section("Values", html.figure(picture, predictor.target, words))]
    counts = sorted(((tally.classes.get(name, 0), name) for name in predictor.classes), key=lambda pair: -pair[0])
    rows = [[name, count, percentage(count, tally.answered)] for count, name in counts]
    picture = charts.bars([name for _, name in counts], [count for count, _ in counts], format="{:,.0f}".format)
    return [
        html.section(
            "Classes",
            html.gallery(html.figure(picture, f"Rows by predicted {predictor.target}"), least=420),
            html.table([predictor.target, "rows", "share"], rows, numeric=["rows", "share"]),
        )
    ]


def _refused(tally: Tally) -> list[Any]:
    if not tally.refused:
        return []
    rows = []
    for (column, rule), count in tally.reasons.most_common(_MOST):
        row, value = tally.examples[column, rule]
        rows.append([column or "(line)", rule, count, row, "missing" if value is None else str(value)])
    return [
        html.section(
            "Refused rows",
            html.table(["column", "rule", "rows", "first row", "its value"], rows),
            note="Each row is listed with its first fault in the table of refused rows. Rows are counted from 1.",
        )
    ]


def _unknown(tally: Tally) -> list[Any]:
    if not tally.unknown:
        return []
    rows = [[name, count, percentage(count, tally.answered)] for name, count in tally.unknown.most_common()]
    return [
        html.section(
            "Values that training did not know",
            html.table(["column", "rows", "share"], rows, numeric=["rows", "share"]),
            note="Rows with such values are answered: the value counts as none of the known ones.",
        )
    ]


def _missing(predictor: Predictor, tally: Tally) -> list[Any]:
    missing = tally.missing(predictor.complete)
    if not missing:
        return []
    rows = [[name, count, percentage(count, tally.looked)] for name, count in missing.items()]
    return [
        html.section(
            "Missing values where training had none",
            html.table(["column", "rows", "share"], rows, numeric=["rows", "share"]),
            note="Rows with such values are answered: no such row was there to learn from.",
        )
    ]
