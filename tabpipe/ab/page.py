"""The page of `ab report`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from components.common.reports import html
from components.common.reports.svg import Frame, drawing, fitted, number_ticks, widened, write
from tabpipe.ab.sentences import COUNTS, comparison_table

_ROW, _TOP, _LEFT = 34, 30, 190


def write_ab_page(path: str | os.PathLike[str], result: Mapping[str, Any]) -> None:
    """Writes the page.

    Args:
        path: Where to.
        result: What `ab report --json` prints.
    """
    metric, compared = result["metric"], result["comparisons"]
    kind: html.Kind = (
        "passed" if result["better"] in ("champion", "challenger") and not result["warnings"] else "warning"
    )
    heads, cells = comparison_table(result)
    blocks = [html.verdict(kind, result["sentence"])]
    blocks += [html.verdict("warning", words) for words in result["warnings"]]
    if compared:
        newest = compared[0]
        blocks += [
            html.cards(
                [
                    (f"{metric}, champion {newest['champion']['version']}", newest["champion"]["score"]),
                    (f"{metric}, challenger {newest['challenger']['version']}", newest["challenger"]["score"]),
                    ("Rows of the champion", newest["champion"]["rows"]),
                    ("Rows of the challenger", newest["challenger"]["rows"]),
                ]
            ),
            html.section(
                "By how much the challenger is better",
                html.figure(intervals(compared, metric), f"Intervals of {100 * result['confidence']:.4g} %"),
                html.table(heads, cells),
                note="Same rows: one of the two answered as a shadow. Own request keys: each answered a part of the "
                "traffic. Rows of one request key are drawn together. Above 0 the challenger is better.",
            ),
        ]
    listed = [
        [
            one["role"],
            one["version"],
            "shadow" if one["shadow"] else "answers",
            one["predictions"],
            one["with_outcome"],
            one["score"],
            one["first"],
            one["last"],
        ]
        for one in result["models"]
    ]
    blocks += [
        html.section(
            "Models",
            html.table(
                ["model", "version", "part", "predictions", "with outcome", metric, "first (UTC)", "last (UTC)"], listed
            ),
            note="Each by itself, over all of the time: not on the same rows, so no comparison.",
        ),
        html.section(
            "What was joined",
            html.table(["count", "what"], [[result["counts"][name], words] for name, words in COUNTS.items()]),
        ),
    ]
    subtitle = f"{result['log']} · {result['since']} to {result['until']} (UTC)"
    html.write_page(path, html.page(f"Champion and challenger: {result['use_case']}", subtitle, *blocks))


def intervals(compared: Sequence[Mapping[str, Any]], metric: str, width: float = 720) -> str:
    """Draws differences with their intervals, one below the other, on one number line.

    Args:
        compared: Comparisons with an interval or without.
        metric: What the axis is of.
        width: Pixels.
    """
    ends = [end for one in compared for end in (one["interval"] or (one["difference"],) * 2)]
    low, high = widened(min(0.0, *ends), max(0.0, *ends), 0.1)
    tall = _ROW * len(compared)
    frame = Frame(_LEFT, _TOP, width - _LEFT - 16, tall, (low, high), (0.0, 1.0))
    frame.axes(number_ticks(low, high, 7), [], x_label=f"by how much the challenger is better, in {metric}", rules=True)
    nought = frame.across(0.0)
    frame.parts.append(f'<path class="guide" d="M{nought:.1f} {_TOP - 8}V{_TOP + tall}"/>')
    frame.parts.append(write(frame.left, 14, "← champion", kind="caption"))
    frame.parts.append(write(frame.left + frame.width, 14, "challenger →", anchor="end", kind="caption"))
    for at, one in enumerate(compared):
        y = _TOP + _ROW * (at + 0.5)
        kind = "same rows" if one["kind"] == "paired" else "own keys"
        label = fitted(f"{one['challenger']['version']} against {one['champion']['version']}, {kind}", _LEFT - 12)
        frame.parts.append(write(_LEFT - 8, y + 4, label, anchor="end"))
        x = frame.across(one["difference"])
        if one["interval"]:
            first, last = (frame.across(end) for end in one["interval"])
            size = f'width="{max(last - first, 1):.1f}" height="10" rx="5"'
            frame.parts.append(f'<rect class="bar" x="{first:.1f}" y="{y - 5:.1f}" {size}/>')
        frame.parts.append(f'<rect class="mark" x="{x - 2.5:.1f}" y="{y - 10:.1f}" width="5" height="20" rx="2.5"/>')
    return drawing(width, _TOP + tall + 44, f"intervals of the difference in {metric}", frame.parts)
