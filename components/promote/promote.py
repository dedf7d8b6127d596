"""The step promote: the candidate and the champion side by side, and the champion's place to the better one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.artifacts import Store, Version, open_store
from components.common.artifacts.naming import artifact_name
from components.common.base.errors import Refusal
from components.common.config.base import accept
from components.common.config.promote import PromoteArgument
from components.common.config.segregate import SplitRule
from components.common.metrics.baseline import prefixed
from components.common.registry import Standing, challenge, given_up, model_name, standing
from components.common.registry import promote as make_champion
from components.common.tables.parquet import read_table
from components.common.tracking.publish import worth_keeping
from components.promote.compare import Comparison, compare
from components.promote.leakage import SplitChange
from components.promote.origin import other_source
from components.promote.verdict import Reason, Verdict, decide

if TYPE_CHECKING:
    import pandas as pd

_ROUNDS = 5
"""How often a candidate is compared anew because the champion has moved meanwhile."""
_SEEN = ("train", "validation")
"""Splits that a model was made with."""


@dataclass(frozen=True)
class Promotion:
    """What came of a candidate."""

    use_case: str
    decision: str
    """promote, wait or keep."""
    reason: str
    """In a sentence."""
    metrics: dict[str, float]


def promote_file(
    section: dict[str, Any],
    model_path: str,
    metadata: Mapping[str, Any],
    test_path: str,
    report_path: str,
    *,
    made_by: Mapping[str, str],
    facts: Mapping[str, str] | None = None,
    on_cluster: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> Promotion:
    """Compares a candidate with the champion, moves the champion if it is better, and writes the report.

    Args:
        section: The step's argument, `PromoteArgument`.
        model_path: The folder of the candidate.
        metadata: What train has told of it: digest, train_digest, validation_digest and what describes it.
        test_path: The test split.
        report_path: The HTML page to write.
        made_by: Of run and commit what is known.
        facts: Name to text, for the head of the report.
        on_cluster: Whether the store is a cluster's, so that commands name it.
        progress: Is told what is done at the moment.

    Raises:
        Refusal: The section is not accepted, a file is no model or table, or the artifact store cannot be used. The
            champion then is what it was.
    """
    argument = accept(PromoteArgument, section, "section promote")
    store, table = open_store(), read_table(test_path)
    known = {key: value for key, value in made_by.items() if value}
    candidate = store.put(
        model_name(argument.use_case),
        model_path,
        metadata=worth_keeping(metadata),
        inputs=[metadata[f"{split}_digest"] for split in _SEEN if metadata.get(f"{split}_digest")],
        made_by={**known, "step": "train", "use_case": argument.use_case},
    )
    who = f"run {known['run']}" if "run" in known else ""
    notes: list[str] = []
    for _ in range(_ROUNDS):
        before = standing(store, argument.use_case)
        comparison, verdict = _judge(store, argument, before, candidate, Path(model_path), table, progress)
        try:
            _act(store, before, candidate, verdict, comparison, argument, who)
            break
        except Refusal as refusal:
            if standing(store, argument.use_case).moves == before.moves:
                raise
            notes.append(f"{refusal.problem}; compared anew with the new champion")
            print(notes[-1], flush=True)
    else:
        raise Refusal("the champion moves faster than it can be compared with", where=model_name(argument.use_case))

    from components.promote.promote_report import write_report

    told = {
        "candidate": candidate.ref,
        "champion": before.champion.ref if before.champion else "none yet",
        **({"decided in run": known["run"]} if "run" in known else {}),
        **({"note": "; ".join(notes)} if notes else {}),
        **(facts or {}),
    }
    waiting = staying_challenger(argument, before, candidate)
    reason = _sentence(verdict, before, candidate, waiting, " --cluster" if on_cluster else "")
    write_report(report_path, argument, comparison, verdict, told, reason)
    return Promotion(argument.use_case, verdict.decision, reason, _metrics(comparison, verdict))


def _judge(
    store: Store,
    section: PromoteArgument,
    before: Standing,
    candidate: Version,
    path: Path,
    table: pd.DataFrame,
    progress: Callable[[str], None],
) -> tuple[Comparison, Verdict]:
    champion = before.champion
    if champion is not None and champion.number == candidate.number:
        comparison = compare(section, path, None, table, None)
        return comparison, Verdict("keep", [Reason(f"The candidate is {champion.ref}, the champion itself.", True)])
    if champion is None:
        comparison = compare(section, path, None, table, None)
    else:
        progress(f"comparing with {champion.ref}")
        with tempfile.TemporaryDirectory() as scratch:
            rival = store.get(champion.ref, Path(scratch) / "champion")
            seen = _seen(store, section.use_case, champion, candidate, Path(scratch))
            split = SplitChange(_rule(champion), _rule(candidate))
            comparison = compare(section, path, rival, table, seen, split)
    sources = None if champion is None else _other_sources(section, candidate, champion)
    taken_back = given_up(store, section.use_case, candidate) is not None
    return comparison, decide(section, comparison, given_up=taken_back, sources=sources)


def _other_sources(section: PromoteArgument, candidate: Version, champion: Version) -> tuple[str, str] | None:
    mine, theirs = (str(one.metadata.get("origin") or "") for one in (candidate, champion))
    return (mine, theirs) if other_source(mine, theirs, section.sources) else None


def staying_challenger(section: PromoteArgument, before: Standing, candidate: Version) -> Version | None:
    """The challenger of the champion's own source, which a candidate of another source does not push aside.

    It may answer a share of the requests, and no run on a sample should get that.

    Args:
        section: Which sources may follow each other.
        before: How things stand.
        candidate: The model that waits for a person.
    """
    champion, waiting = before.champion, before.challenger
    if champion is None or waiting is None or waiting.number == candidate.number:
        return None
    theirs, mine = (_other_sources(section, one, champion) for one in (waiting, candidate))
    return waiting if mine and not theirs else None


def _rule(version: Version) -> SplitRule | None:
    """How the table that a model was trained on was split; None where it is not on record, or not understood."""
    try:
        return SplitRule.model_validate_json(str(version.metadata.get("split") or ""))
    except ValueError:
        return None


def _seen(
    store: Store, use_case: str, champion: Version, candidate: Version, scratch: Path
) -> Sequence[pd.DataFrame] | None:
    """The tables that the champion was made with; none where they are the candidate's own; None where unknown."""
    digests = {split: champion.metadata.get(f"{split}_digest") for split in _SEEN}
    if all(digest and digest == candidate.metadata.get(f"{split}_digest") for split, digest in digests.items()):
        return []
    tables = []
    for split, digest in digests.items():
        if not digest:
            return None
        try:
            kept = store.get(f"{artifact_name(use_case, 'segregate', split)}:{digest}", scratch / f"{split}.parquet")
        except Refusal as refusal:
            print(f"what the champion was trained on is not known: {refusal.problem}", flush=True)
            return None
        tables.append(read_table(str(kept)))
    return tables


def _act(
    store: Store,
    before: Standing,
    candidate: Version,
    verdict: Verdict,
    comparison: Comparison,
    section: PromoteArgument,
    who: str,
) -> None:
    """Moves the alias that a verdict asks for, with what it was decided by."""
    why = {
        "metric": section.metric,
        "candidate": comparison.candidate.scores.values,
        "champion": comparison.champion.scores.values if comparison.champion else None,
        "difference": comparison.difference,
        "interval": list(comparison.interval) if comparison.interval else None,
        "rows": comparison.rows,
    }
    why = {key: value for key, value in why.items() if value is not None}
    if verdict.decision == "promote":
        make_champion(store, before, candidate.ref, who=who, why=why)
    elif verdict.decision == "wait" and staying_challenger(section, before, candidate) is None:
        challenge(store, section.use_case, candidate.ref, who=who, why=why)


def _sentence(verdict: Verdict, before: Standing, candidate: Version, waiting: Version | None, cluster: str) -> str:
    """What came of a candidate and why, with the command where a person decides."""
    version, use_case = f"v{candidate.number}", before.use_case
    if verdict.decision == "promote":
        return f"{version} is the champion" + (f", was v{before.champion.number}" if before.champion else "")
    if verdict.decision == "wait":
        why = "; ".join(reason.text for reason in verdict.reasons if reason.open)
        command = f"tabpipe models promote {use_case} {version}{cluster}"
        role = "is the challenger and" if waiting is None else f"(v{waiting.number} stays the challenger)"
        return f"{version} {role} waits for a person: {why}. To promote it: {command}"
    if before.champion is not None and before.champion.number == candidate.number:
        return f"{version} is the champion already"
    unmet = next((reason.text for reason in verdict.reasons if not reason.met), "")
    stays = f"v{before.champion.number} stays the champion" if before.champion else "there is no champion"
    return f"{stays}: {unmet}" if unmet else stays


def _metrics(comparison: Comparison, verdict: Verdict) -> dict[str, float]:
    values: dict[str, float | None] = {
        "promoted": float(verdict.decision == "promote"),
        "rows": float(comparison.rows),
        "difference": comparison.difference,
    }
    if comparison.interval:
        values["difference_low"], values["difference_high"] = comparison.interval
    if comparison.guessed:
        values |= prefixed(comparison.guessed.scores)
    values |= {f"candidate_{name}": value for name, value in comparison.candidate.scores.values.items()}
    if comparison.champion:
        values |= {f"champion_{name}": value for name, value in comparison.champion.scores.values.items()}
    return {name: float(value) for name, value in values.items() if value is not None}
