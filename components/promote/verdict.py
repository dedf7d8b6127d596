"""Whether a candidate takes the champion's place, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from components.common.base.numbers import ROUNDING, score, written
from components.common.config.promote import LOWER, PromoteArgument
from components.common.reports.model_quality import TITLES
from components.promote.compare import Comparison
from components.promote.slice_pairs import SlicePair


@dataclass(frozen=True)
class Reason:
    """One thing that was asked."""

    text: str
    met: bool
    open: bool = False
    """Not met, but a person may settle it."""


@dataclass(frozen=True)
class Verdict:
    """What is to be done, and all that it rests on."""

    decision: Literal["promote", "wait", "keep"]
    """wait: a person decides; keep: things stay as they are."""
    reasons: list[Reason]


def decide(
    section: PromoteArgument, comparison: Comparison, *, given_up: bool = False, sources: tuple[str, str] | None = None
) -> Verdict:
    """Holds a comparison against what the config asks.

    Args:
        section: The margin, the thresholds, the guards and the gate.
        comparison: What was found.
        given_up: Whether a person has rolled back or retired this very model before.
        sources: The candidate's source and the champion's, where that is another one.
    """
    reasons = []
    if given_up:
        reasons.append(Reason("A person took this very model back; only a person promotes it again", False))
    if comparison.champion is not None:
        if comparison.split.differs:
            reasons.append(_other_split(comparison))
        reasons += _better(section, comparison)
    elif not comparison.unfit:
        reasons.append(Reason("There is no champion: a first model needs only to be good enough by itself", True))
    reasons += _beats_guessing(section, comparison)
    reasons += _thresholds(section, comparison)
    reasons += _guards(section, comparison)
    if comparison.unfit:
        reasons.append(Reason(f"The champion cannot be compared with: {comparison.unfit}", False, open=True))
    if comparison.signature:
        reasons.append(Reason(f"The signature differs: {'; '.join(comparison.signature)}", False, open=True))
    if sources is not None:
        text = "It was trained on {}, the champion on {}; promote.sources may name both, so that one follows the other"
        reasons.append(Reason(text.format(*sources), False, open=True))
    if section.gate == "manual":
        reasons.append(Reason("The gate is manual: a person promotes", False, open=True))
    if any(not reason.met and not reason.open for reason in reasons):
        return Verdict("keep", reasons)
    return Verdict("wait" if any(reason.open for reason in reasons) else "promote", reasons)


def title(metric: str) -> str:
    """A score's name within a sentence."""
    return TITLES[metric].split(" (")[0]


def _better(section: PromoteArgument, comparison: Comparison) -> list[Reason]:
    name, gap, champion = title(section.metric), comparison.difference, comparison.champion
    if gap is None or champion is None:
        return [Reason(f"{name} cannot be worked out for both models on these rows, so none is better", False)]
    mine, theirs = (one.scores.values[section.metric] for one in (comparison.candidate, champion))
    up, down = ("below", "above") if section.metric in LOWER else ("above", "below")
    if gap > 0:
        text = f"{name} {score(mine)} is {score(gap)} {up} the champion's {score(theirs)}"
        asked = f"more than {written(section.margin)} is asked"
    else:
        apart = f"{score(-gap)} {down} the champion's {score(theirs)}" if gap else "just the champion's"
        text = f"{name} {score(mine)} is {apart}"
        asked = f"more than {written(section.margin)} {up} it is asked"
    reasons = [Reason(f"{text}; {asked}", gap > section.margin + ROUNDING)]
    if section.certain:
        share = f"{section.confidence * 100:g} %"
        if comparison.interval is None:
            reasons.append(
                Reason(f"No {share} interval of the difference can be worked out, though it is asked", False)
            )
        else:
            low, high = comparison.interval
            text = f"The {share} interval of the difference is {score(low)} to {score(high)}"
            reasons.append(
                Reason(f"{text}; its lower end must be above {written(section.margin)}", low > section.margin)
            )
    return reasons


def _beats_guessing(section: PromoteArgument, comparison: Comparison) -> list[Reason]:
    guessed, asked = comparison.guessed, section.beats_baseline
    if guessed is None or not asked:
        return []
    name, mine = title(section.metric), comparison.candidate.scores.values.get(section.metric)
    if mine is None or guessed.difference is None:
        return [Reason(f"{name} cannot be worked out on these rows, so none is better than guessing", False)]
    text = f"{name} {score(mine)} against {score(guessed.scores[section.metric])} of guessing"
    if guessed.difference <= ROUNDING:
        return [Reason(f"{text}: the model is no better than guessing", False)]
    if asked == "better" or comparison.champion is not None:
        return [Reason(f"{text}: it must be better", True)]
    share = f"the {section.confidence * 100:g} % interval of the difference"
    if guessed.interval is None:
        return [Reason(f"{text}: {share} cannot be worked out, so it is not certainly better", False)]
    low, high = guessed.interval
    if low > 0:
        return [Reason(f"{text}: {share}, {score(low)} to {score(high)}, must be above 0", True)]
    return [Reason(f"{text} is not certainly better: {share} is {score(low)} to {score(high)}", False)]


def _other_split(comparison: Comparison) -> Reason:
    rows, split = comparison.rows, comparison.split
    known = "what the champion was trained on is not known, so it may look too good"
    if comparison.left_out is not None:
        known = f"compared on the {rows:,} test rows that neither can have known, {comparison.left_out:,} left out"
    return Reason(f"The split was {split.before} for the champion and is {split.now}: {known}", True)


def _thresholds(section: PromoteArgument, comparison: Comparison) -> list[Reason]:
    reasons = []
    for metric, limit in section.thresholds.items():
        value, most = comparison.candidate.scores.values.get(metric), metric in LOWER
        asked = f"at {'most' if most else 'least'} {written(limit)} is asked"
        if value is None:
            reasons.append(Reason(f"{title(metric)} cannot be worked out on these rows; {asked}", False))
        else:
            reasons.append(
                Reason(f"{title(metric)} is {score(value)}; {asked}", value <= limit if most else value >= limit)
            )
    return reasons


def _guards(section: PromoteArgument, comparison: Comparison) -> list[Reason]:
    guards, mine, reasons = section.guards, comparison.candidate, []
    if guards.slice_drop is not None and comparison.champion is not None:
        judged = [one for one in comparison.slices if one.rows >= section.min_slice_rows]
        reasons.append(_worst_slice(section, guards.slice_drop, judged))
    if guards.latency_ms is not None:
        took, limit = written(mine.latency_ms, 3), written(guards.latency_ms)
        text = f"The answer to one row takes {took} ms; at most {limit} ms is asked"
        reasons.append(Reason(text, mine.latency_ms <= guards.latency_ms))
    if guards.size_mb is not None:
        size = mine.bytes / 1e6
        text = f"The saved model has {written(size, 3)} MB; at most {written(guards.size_mb)} MB is asked"
        reasons.append(Reason(text, size <= guards.size_mb))
    return reasons


def _worst_slice(section: PromoteArgument, limit: float, judged: list[SlicePair]) -> Reason:
    if not judged:
        return Reason(f"No slice has {section.min_slice_rows} rows, so the guard of slices has nothing to judge", True)
    worst = max(judged, key=lambda one: one.lost)
    where = f"{worst.column} {worst.name} ({worst.rows:,} rows)"
    if section.task == "classification":
        what = f"from {worst.champion:.1%} right answers to {worst.candidate:.1%}"
        asked = f"no slice may lose more than {limit * 100:g} points"
    else:
        what = f"from a mean error of {score(worst.champion)} to {score(worst.candidate)}"
        asked = f"no slice's may grow by more than {limit * 100:g} %"
    return Reason(f"The worst slice, {where}, goes {what}; {asked}", worst.lost <= limit + ROUNDING)
