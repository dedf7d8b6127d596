"""The report of an evaluation: the total, the worst slices first, and the pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.common.base.errors import some
from components.common.reports import html
from components.common.reports.model_quality import answer_sections, score_cards, title_of
from components.evaluate.coverage import coverage_section

if TYPE_CHECKING:
    from components.common.config.evaluate import EvaluateArgument
    from components.evaluate.outcome import Evaluated
    from components.evaluate.slices import Slice

_KINDS = {"worse": "failed", "better": "passed", "alike": "", "": ""}


def write_report(
    path: str | os.PathLike[str],
    section: EvaluateArgument,
    evaluated: Evaluated,
    facts: Mapping[str, str],
    model: str,
) -> None:
    """Writes the page.

    Args:
        path: Where to.
        section: What was looked at.
        evaluated: What came of it.
        facts: Name to text, for the head.
        model: The estimator's name.
    """
    html.write_page(
        path,
        html.page(
            f"Evaluation: {section.target}",
            f"{model}, loaded as it would be served and asked for the untouched rows of the test split",
            *score_cards(evaluated.scores, evaluated.guessed, {"Test rows": len(evaluated.truth)}, evaluated.classes),
            *answer_sections(
                evaluated.truth, evaluated.answers, evaluated.classes, section.positive_class, section.threshold
            ),
            *([coverage_section(evaluated.coverage)] if evaluated.coverage else []),
            *(_slices(title, slices, section, evaluated.classes) for title, slices in evaluated.slices.items()),
            facts=facts,
        ),
    )


def _slices(title: str, slices: list[Slice], section: EvaluateArgument, classes: list[str] | None) -> Any:
    names = list(dict.fromkeys(name for one in slices for name in one.scores))
    rows = [
        [
            one.name,
            one.rows,
            *(one.scores.get(name) for name in names),
            html.badge(_KINDS[one.verdict], one.verdict) if one.verdict else "",
        ]
        for one in slices
    ]
    worse = [one.name for one in slices if one.verdict == "worse"]
    found = f"Worse than the other rows: {some(worse)}." if worse else "No slice is worse than the other rows."
    small = any(not one.verdict for one in slices)
    few = f" Slices of fewer than {section.min_slice_rows} rows stand last, without a verdict." if small else ""
    return html.section(
        f"By {title}",
        html.table(
            [title, "rows", *(title_of(name, classes) for name in names), "verdict"],
            rows,
            row_classes=["failed" if one.verdict == "worse" else "" for one in slices],
        ),
        note=found + few + " A verdict asks for a difference of three standard errors.",
    )
