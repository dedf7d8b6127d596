"""The command `ab report`: what the log and the outcomes come to, in words, as JSON and as a page."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from components.common.base.errors import Refusal, nearest
from components.common.base.numbers import score
from components.common.config.reading import Reading
from components.common.storage.backend import Place
from tabpipe.ab.checks import warnings
from tabpipe.ab.compare import Comparison, compare
from tabpipe.ab.join import Joined, joined
from tabpipe.ab.log import cluster_log, opened, read_log
from tabpipe.ab.outcomes import read_outcomes
from tabpipe.ab.scores import METRICS, chosen_metric, class_order, score_of, whole
from tabpipe.ab.sentences import COUNTS, comparison_table, sentence
from tabpipe.console import columns, detail, document, say
from tabpipe.project import ROOT
from tabpipe.reading_options import reading_of

_AGES = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def report_command(options: argparse.Namespace) -> int:
    """Says which model is better; returns the exit code 0."""
    since, until = moment_of(options.since, "--since"), moment_of(options.until, "--until")
    _refuse_odd(options)
    reading = reading_of(options, _reading(options.use_case))
    outcomes = read_outcomes(options.outcomes, options.id, options.truth, options.time, reading)
    with _place(options) as place:
        log = read_log(place, options.use_case, since, until, detail)
        shown = place.where(options.use_case)
    found = joined(log, outcomes)
    metric = chosen_metric(options.metric, found.task)
    compared = compare(found, metric, options.confidence, options.seed)
    result = {
        "use_case": options.use_case,
        "log": shown,
        "since": str(log["time"].min())[:19],
        "until": str(log["time"].max())[:19],
        "task": found.task,
        "metric": metric,
        "confidence": options.confidence,
        "better": told_first(compared).better if compared else None,
        "sentence": _sentence(found, compared, metric, options.confidence),
        "warnings": warnings(found, compared, options.fraction),
        "models": models(found, metric),
        "comparisons": [{**asdict(one), "times_more": one.times_more} for one in compared],
        "counts": found.counts,
    }
    if options.html:
        from tabpipe.ab.page import write_ab_page

        write_ab_page(options.html, result)
    if options.json:
        return document(result)
    _print(result)
    if options.html:
        say(["", f"  {options.html}"])
    return 0


def _reading(use_case: str) -> Reading:
    """How the use case's source is written; the usual way where it has no config here."""
    from tabpipe.config import load

    if not (ROOT / "config" / f"{use_case}.yaml").is_file():
        return Reading()
    return Reading.model_validate(load(use_case).download.model_dump(exclude={"source", "format"}))


def _refuse_odd(options: argparse.Namespace) -> None:
    """Refuses what can be seen to be wrong before anything is read."""
    if not 0.5 < options.confidence < 1:
        raise Refusal("out of range", where="--confidence", value=options.confidence, rule="above 0.5 and below 1")
    if options.fraction is not None and not 0 <= options.fraction <= 1:
        raise Refusal("out of range", where="--fraction", value=options.fraction, rule="0 to 1")
    known = [name for names in METRICS.values() for name in names]
    if options.metric and options.metric not in known:
        raise Refusal(
            f"there is no score {options.metric!r}",
            where="--metric",
            rule=f"one of {', '.join(known)}",
            mend=nearest(options.metric, known),
        )


def moment_of(words: str | None, where: str) -> datetime | None:
    """A time: a date or time in UTC, or an age such as 7d.

    Raises:
        Refusal: It is neither.
    """
    if not words:
        return None
    if words[-1] in _AGES and words[:-1].isdigit():
        return datetime.now(UTC) - timedelta(seconds=int(words[:-1]) * _AGES[words[-1]])
    try:
        found = datetime.fromisoformat(words)
    except ValueError:
        rule = "a date, a time in UTC, or an age: 2026-03-01, 2026-03-01T12:00, 7d"
        raise Refusal("not a time", where=where, value=words, rule=rule) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


@contextmanager
def _place(options: argparse.Namespace) -> Iterator[Place]:
    if options.cluster:
        with cluster_log(options.log or "requests") as place:
            yield place
        return
    from tabpipe.project import home

    yield opened(options.log or os.environ.get("TABPIPE_SERVE_LOG") or str(home() / "requests"))


def models(found: Joined, metric: str) -> list[dict[str, Any]]:
    """Each version by itself: what it predicted, of how much of that the outcome is known, and its score."""
    import numpy as np

    listed = []
    for (role, version, shadow), some in found.logged.groupby(["role", "version", "shadow"]):
        rows = found.rows
        rows = rows[(rows["role"] == role) & (rows["version"] == version) & (rows["shadow"] == shadow)]
        score = None
        if len(rows):
            order = class_order(rows, version) if metric == "log_loss" else None
            score = whole(score_of(metric, rows, np.zeros(len(rows), int), order), 1)
        listed.append(
            {
                "role": role,
                "version": version,
                "shadow": bool(shadow),
                "predictions": len(some),
                "with_outcome": len(rows),
                "score": score,
                "first": str(some["time"].min())[:19],
                "last": str(some["time"].max())[:19],
            }
        )
    return listed


def told_first(compared: list[Comparison]) -> Comparison:
    """What the sentence speaks of: the newest pair of versions, and of its comparisons one that is decided."""
    newest = compared[0]
    pair = (newest.champion.version, newest.challenger.version)
    same = [one for one in compared if (one.champion.version, one.challenger.version) == pair]
    return next((one for one in same if one.better in ("champion", "challenger")), newest)


def _sentence(found: Joined, compared: list[Comparison], metric: str, confidence: float) -> str:
    if compared:
        return sentence(told_first(compared), metric, confidence)
    roles = set(found.logged["role"])
    for role in ("challenger", "champion"):
        if role not in roles:
            return f"Nothing to compare: the log has no answers of a {role} in this time."
    return "Nothing to compare: no outcomes are known of both models' answers from the same time."


def _print(result: dict[str, Any]) -> None:
    metric = result["metric"]
    lines = [f"  {result['sentence']}", *(f"  ! {words}" for words in result["warnings"]), ""]
    head = ("model", "version", "", "predictions", "with outcome", metric, "from (UTC)", "to")
    lines += columns(
        head,
        [
            (
                one["role"],
                one["version"],
                "shadow" if one["shadow"] else "",
                f"{one['predictions']:,}",
                f"{one['with_outcome']:,}",
                score(one["score"]),
                one["first"][:16],
                one["last"][:16],
            )
            for one in result["models"]
        ],
        right=(3, 4, 5),
    )
    if result["comparisons"]:
        lines += ["", *columns(*comparison_table(result), right=(3, 4, 5, 6, 7))]
    counts = [(COUNTS[name], f"{count:,}") for name, count in result["counts"].items() if name in COUNTS and count]
    lines += ["", *columns(("", ""), counts, right=(1,))[1:]]
    say(lines)
