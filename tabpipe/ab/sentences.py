"""What comparisons say, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.common.base.numbers import score, signed
from tabpipe.ab.compare import FEWEST, Comparison

COUNTS = {
    "predictions": "predictions logged, those of the shadow too",
    "requests": "requests",
    "ids_without_outcome": "ids without an outcome yet",
    "predictions_of_an_id_asked_again": "predictions left out, since the same id was asked again",
    "predictions_after_their_outcome": "predictions left out, made after their outcome",
    "outcomes": "outcomes",
    "outcomes_without_prediction": "outcomes of ids that were not predicted",
    "outcomes_without_id_or_truth": "outcomes without id or true value",
    "outcomes_repeated": "outcomes left out, since the same id came again",
}
"""What is counted, in words."""


def sentence(one: Comparison, metric: str, confidence: float) -> str:
    """What a comparison says."""
    scores = f"{metric} {score(one.challenger.score)} against {score(one.champion.score)}"
    if one.better == "too few":
        few = min(one.champion.keys, one.challenger.keys)
        return (
            f"Too few to say: {scores}, but of one model there are outcomes of only {few:,} request keys; "
            f"{FEWEST} of each are the least."
        )
    low, high = one.interval or (0.0, 0.0)
    word = "better" if one.difference >= 0 else "worse"
    interval = f"{100 * confidence:.4g} % interval of how much better: {signed(low)} to {signed(high)}"
    span = f"{word} by {score(abs(one.difference))}; {interval}"
    rows = (
        f"on {one.champion.rows:,} rows that both answered"
        if one.kind == "paired"
        else f"on {one.challenger.rows:,} and {one.champion.rows:,} rows"
    )
    told = f"the challenger has {scores} ({span}), {rows}."
    if one.better != "neither":
        winner = one.challenger.version if one.better == "challenger" else one.champion.version
        return f"The {one.better} ({winner}) is better: {told}"
    if one.times_more is None or one.times_more < 1.5:
        return f"No difference can be told: {told}"
    return (
        f"No difference can be told: {told} It would take about {one.times_more:,.0f} times as much traffic to tell a "
        "difference like this one."
    )


def comparison_table(result: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """The comparisons as a table: heads and cells."""
    head = ["comparison", "champion", "challenger", "rows", "scores", "difference", "interval from", "to", "better"]
    rows = []
    for one in result["comparisons"]:
        mine, theirs = one["champion"], one["challenger"]
        low, high = one["interval"] or (None, None)
        counts = f"{mine['rows']:,}" if one["kind"] == "paired" else f"{mine['rows']:,} / {theirs['rows']:,}"
        rows.append(
            [
                "same rows" if one["kind"] == "paired" else "own request keys",
                mine["version"],
                theirs["version"],
                counts,
                f"{score(mine['score'])} / {score(theirs['score'])}",
                signed(one["difference"]),
                *("–" if end is None else signed(end) for end in (low, high)),
                one["better"],
            ]
        )
    return head, rows
