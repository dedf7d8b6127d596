"""The report of a promotion: the verdict, what it rests on, and both models side by side."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.common.base.numbers import ROUNDING, score, signed, written
from components.common.config.promote import LOWER
from components.common.reports import html
from components.common.reports.model_quality import title_of
from components.promote.number_line import number_line
from components.promote.verdict import title

if TYPE_CHECKING:
    from components.common.config.promote import PromoteArgument
    from components.promote.compare import Comparison
    from components.promote.verdict import Reason, Verdict


def write_report(
    path: str | os.PathLike[str],
    section: PromoteArgument,
    comparison: Comparison,
    verdict: Verdict,
    told: Mapping[str, str],
    reason: str,
) -> None:
    """Writes the page.

    Args:
        path: Where to.
        section: What was asked.
        comparison: What was found.
        verdict: What came of it.
        told: Name to text, for the head: candidate, champion, run, source, split and the like.
        reason: What came of it in a sentence, with the command where a person decides.
    """
    both = comparison.champion is not None
    html.write_page(
        path,
        html.page(
            f"Promotion: {section.use_case}",
            "The candidate and the champion on rows that neither was trained on",
            _banner(comparison, verdict, reason),
            _cards(section, comparison),
            _reasons(verdict),
            _scores(section, comparison),
            *([_difference(section, comparison, comparison.difference)] if comparison.difference is not None else []),
            *([_slices(section, comparison)] if comparison.slices else []),
            _costs(section, comparison),
            *([_signature(comparison)] if both or comparison.signature else []),
            facts=told,
        ),
    )


def _banner(comparison: Comparison, verdict: Verdict, reason: str) -> Any:
    unmet = [reason for reason in verdict.reasons if not reason.met and not reason.open]
    challenged = comparison.champion is not None or comparison.unfit
    if verdict.decision == "promote":
        place = "The candidate is better: it takes the champion's place"
        return html.verdict("passed", f"{place}." if challenged else "The candidate is the first champion.")
    if verdict.decision == "wait":
        return html.verdict("warning", reason)
    if not unmet:
        return html.verdict("passed", "Nothing to decide: things stay as they are.")
    stays = "The champion stays" if challenged else "Not promoted: there is still no champion"
    more = f" {len(unmet) - 1} more that was asked is not met." if len(unmet) > 1 else ""
    return html.verdict("failed", f"{stays}. {unmet[0].text.rstrip('.')}.{more}")


def _cards(section: PromoteArgument, comparison: Comparison) -> Any:
    shown: list[tuple] = []
    sides = [("candidate", comparison.candidate), ("champion", comparison.champion)]
    for name, one in sides:
        if one is not None:
            value = one.scores.values.get(section.metric)
            guess = (comparison.guessed.scores if comparison.guessed else {}).get(section.metric)
            small = f"guessing {score(guess)}" if guess is not None and name == "candidate" else ""
            shown.append((f"{title(section.metric)}, {name}", html.with_detail(score(value), small)))
    if comparison.difference is not None:
        kind = "passed" if comparison.difference > section.margin else "failed"
        words = "Better by" if comparison.difference > 0 else "Worse by"
        shown.append((words, score(abs(comparison.difference)), kind))
    shown.append(("Rows scored", comparison.rows))
    if comparison.left_out is None:
        shown.append(("Rows left out", "unknown", "warning"))
    elif comparison.champion is not None:
        shown.append(("Rows left out", comparison.left_out))
    return html.cards(shown)


def _reasons(verdict: Verdict) -> Any:
    return html.section(
        "What it rests on",
        html.table(
            ["outcome", "what was asked and found"],
            [[_outcome(reason, verdict), reason.text] for reason in verdict.reasons],
            row_classes=["" if reason.met else "warning" if reason.open else "failed" for reason in verdict.reasons],
        ),
    )


def _outcome(reason: Reason, verdict: Verdict) -> Any:
    if reason.met:
        return html.badge("passed", "met")
    if not reason.open:
        return html.badge("failed", "not met")
    # Where something else speaks against the candidate, no person is asked.
    return html.badge("warning", "a person decides" if verdict.decision == "wait" else "open")


def _scores(section: PromoteArgument, comparison: Comparison) -> Any:
    mine, theirs = comparison.candidate, comparison.champion
    names = list(dict.fromkeys([*mine.scores.values, *(theirs.scores.values if theirs else ())]))
    guessed = comparison.guessed.scores if comparison.guessed else {}
    rows = []
    for name in names:
        head = title_of(name, mine.classes)
        one = mine.scores.values.get(name)
        limit = section.thresholds.get(name)
        row = [head, score(one)]
        if theirs is not None:
            other = theirs.scores.values.get(name)
            gap = None if one is None or other is None else one - other
            row += [score(other), "–" if gap is None else signed(gap), _better(name, gap)]
        if guessed:
            row.append(score(guessed.get(name)))
        if section.thresholds:
            row.append("" if limit is None else f"at {'most' if name in LOWER else 'least'} {written(limit)}")
        rows.append(row)
    numeric = ["candidate"] if theirs is None else ["candidate", "champion", "difference"]
    heads = ["score", *numeric] if theirs is None else ["score", *numeric, "better is"]
    if guessed:
        numeric, heads = [*numeric, "guessing"], [*heads, "guessing"]
    heads += ["asked of a candidate"] if section.thresholds else []
    notes = [
        f"{who}: {note}"
        for who, one in (("Candidate", mine), ("Champion", theirs))
        if one is not None
        for note in one.scores.notes
    ]
    return html.section(
        "Scores",
        html.table(heads, rows, numeric=numeric),
        *(html.verdict("warning", note) for note in notes),
        note=_rows_note(section, comparison),
    )


def _rows_note(section: PromoteArgument, comparison: Comparison) -> str:
    rows, mine, theirs = f"{comparison.rows:,} rows of the test split", comparison.candidate, comparison.champion
    if theirs is None:
        return f"{mine.estimator}, on {rows}. What decides about later candidates is {title(section.metric)}."
    if comparison.left_out is None:
        known = "which of them the champion was trained on is not known, so it may look too good"
    elif comparison.left_out:
        known = f"{comparison.left_out:,} more were left out, for the champion was trained or tuned on them"
    else:
        known = "the champion was trained on none of them"
    against = f"{mine.estimator} against the champion's {theirs.estimator}"
    return f"{against}, on {rows}; {known}. What decides is {title(section.metric)}."


def _difference(section: PromoteArgument, comparison: Comparison, gap: float) -> Any:
    name = title(section.metric)
    picture = number_line(
        gap, comparison.interval, section.margin, label=f"by how much the candidate is better, in {name}"
    )
    note = f"{signed(gap)}; above 0 the candidate is better. No interval can be worked out of these rows."
    if comparison.interval:
        low, high = (signed(end) for end in comparison.interval)
        share = f"{section.confidence * 100:g} % interval {low} to {high}"
        note = (
            f"The candidate is better by {signed(gap)} (below 0: worse), its {share}, of "
            f"{comparison.resamples:,} resamples of the rows, each scored by both."
        )
    return html.section("How sure is it?", html.figure(picture), note=note)


def _slices(section: PromoteArgument, comparison: Comparison) -> Any:
    labels, limit = section.task == "classification", section.guards.slice_drop
    rows, kinds = [], []
    for one in comparison.slices:
        counts = one.rows >= section.min_slice_rows
        bad = counts and limit is not None and one.lost > limit + ROUNDING
        if labels:
            change = f"{-one.lost * 100:+.1f} points" if one.lost else "–"
        else:
            change = f"{one.lost:+.1%}" if one.lost else "–"
        values = [f"{v:.1%}" if labels else score(v) for v in (one.candidate, one.champion)]
        said = html.badge("failed", "loses too much") if bad else "" if counts else html.badge("", "few rows")
        rows.append([one.column, one.name, one.rows, *values, change, said])
        kinds.append("failed" if bad else "" if counts else "skipped")
    what = "share of right answers" if labels else "mean absolute error"
    note = f"The {what} of both; those that lose most stand first."
    if limit is not None:
        note += (
            f" More than {limit * 100:g} {'points lost' if labels else '% more'} is too much, in slices of at least "
        )
        note += f"{section.min_slice_rows} rows."
    heads = ["by", "slice", "rows", "candidate", "champion", "change", "remark"]
    return html.section(
        "Slices",
        html.table(heads, rows, numeric=["rows", "candidate", "champion", "change"], row_classes=kinds),
        note=note,
    )


def _costs(section: PromoteArgument, comparison: Comparison) -> Any:
    sides = [one for one in (comparison.candidate, comparison.champion) if one is not None]
    limits = [section.guards.latency_ms, section.guards.size_mb]
    rows = [
        ["answer to one row, median", *(f"{written(one.latency_ms, 3)} ms" for one in sides)],
        ["saved model", *(f"{written(one.bytes / 1e6, 3)} MB" for one in sides)],
    ]
    heads = ["cost", "candidate", "champion"][: 1 + len(sides)]
    numeric = heads[1:]
    if any(limit is not None for limit in limits):
        heads.append("asked")
        for row, limit, unit in zip(rows, limits, ("ms", "MB"), strict=True):
            row.append("" if limit is None else f"at most {written(limit)} {unit}")
    note = (
        "Timed on this machine by one thread, row by row, both models in turn."
        if len(sides) > 1
        else ("Timed on this machine by one thread, row by row.")
    )
    return html.section("Speed and size", html.table(heads, rows, numeric=numeric), note=note)


def _signature(comparison: Comparison) -> Any:
    if not comparison.signature:
        return html.section("Signature", note="Both models are asked with the same columns and answer the same.")
    return html.section(
        "Signature",
        html.table(["how the candidate differs"], [[words] for words in comparison.signature], row_classes=None),
        note="Whoever asks the champion today may have to ask the candidate in another way.",
    )


def _better(name: str, gap: float | None) -> Any:
    if gap is None:
        return ""
    if abs(gap) < ROUNDING:
        return "neither"
    candidate = (gap < 0) == (name in LOWER)
    return html.badge("passed" if candidate else "failed", "candidate" if candidate else "champion")
