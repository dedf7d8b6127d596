"""What `models list` and `models history` print."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from components.common.artifacts import Move, Store, Version, open_store
from components.common.base.numbers import score
from components.common.registry import CHAMPION, Standing, model_name, standing
from components.common.registry.model_ref import refuse_unknown, use_cases
from tabpipe.console import columns, document, maker, moment, say


def list_command(options: argparse.Namespace) -> int:
    """All champions, or the versions of one model."""
    store = open_store(options.store)
    if options.model:
        refuse_unknown(store, options.model)
        return _versions(store, options)
    found = [standing(store, name) for name in use_cases(store)]
    if options.json:
        return document([_document(store, one) for one in found])
    if not found:
        say([f"  no model is kept in {store.place.shown} yet; make one: tabpipe run iris"])
        return 0
    rows = [
        (
            one.use_case,
            *(_number(version) for version in (one.champion, one.challenger, one.previous)),
            *_since(store, one),
        )
        for one in found
    ]
    say(columns(("model", "champion", "challenger", "previous", "since", "by", "score"), rows))
    return 0


def history_command(options: argparse.Namespace) -> int:
    """All moves of a model's champion, the newest last."""
    store = open_store(options.store)
    refuse_unknown(store, options.model)
    moves = store.history(model_name(options.model), CHAMPION)
    if options.json:
        return document([_move(move) for move in moves])
    if not moves:
        say([f"  {options.model} has had no champion yet"])
        return 0
    rows = [
        (
            moment(move.at),
            move.why.get("action", "moved"),
            "–" if move.before is None else f"v{move.before}",
            "–" if move.after is None else f"v{move.after}",
            move.who,
            _score(move.why),
            move.why.get("text", ""),
        )
        for move in moves
    ]
    say(columns(("when (UTC)", "what", "from", "to", "by", "score", "why"), rows))
    return 0


def _versions(store: Store, options: argparse.Namespace) -> int:
    now = standing(store, options.model)
    versions = store.versions(model_name(options.model))
    words = _aliases(now)
    if options.json:
        return document([{**one.shown(), "aliases": words.get(one.number, [])} for one in versions])
    rows = [
        (
            f"v{one.number}",
            ", ".join(words.get(one.number, [])),
            one.metadata.get("model", ""),
            moment(one.first.created),
            maker(one),
        )
        for one in versions
    ]
    say(columns(("version", "aliases", "model", "made (UTC)", "by"), rows))
    return 0


def _aliases(now: Standing) -> dict[int, list[str]]:
    words: dict[int, list[str]] = {}
    for alias, one in now.aliases.items():
        if one is not None:
            words.setdefault(one.number, []).append(alias)
    return words


def _number(version: Version | None) -> str:
    return "" if version is None else f"v{version.number}"


def _since(store: Store, now: Standing) -> tuple[str, str, str]:
    if now.champion is None:
        return "", "", ""
    move = store.history(model_name(now.use_case), CHAMPION)[-1]
    return moment(move.at), move.who, _score(move.why)


def _score(why: Mapping[str, Any]) -> str:
    """What a move was decided by, in a few words."""
    metric, scores = why.get("metric"), why.get("candidate") or {}
    if metric not in scores:
        return ""
    text = f"{metric} {score(scores[metric])}"
    if (why.get("champion") or {}).get(metric) is not None:
        text += f", was {score(why['champion'][metric])}"
    return text


def _document(store: Store, now: Standing) -> dict[str, Any]:
    moves = store.history(model_name(now.use_case), CHAMPION)
    return {
        "model": now.use_case,
        **{alias: one.ref if one else None for alias, one in now.aliases.items()},
        "moves": now.moves,
        "last": _move(moves[-1]) if moves else None,
    }


def _move(move: Move) -> dict[str, Any]:
    return {
        "at": move.at,
        "from": None if move.before is None else f"v{move.before}",
        "to": None if move.after is None else f"v{move.after}",
        "who": move.who,
        "why": dict(move.why),
    }
