"""Champion, challenger and previous: aliases of a use case's model in the artifact store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.common.artifacts import Store, Version
from components.common.artifacts.aliases import Move
from components.common.artifacts.naming import artifact_name
from components.common.base.errors import Refusal

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ROLLBACK, RETIRE = "rollback", "retire"
"""What a move's reason calls a step back, and taking a champion away; all other moves are promotions."""


@dataclass(frozen=True)
class Standing:
    """How things stand with a use case's model."""

    use_case: str
    champion: Version | None
    """The model that is served."""
    previous: Version | None
    """What a rollback would bring back."""
    challenger: Version | None
    """What waits for a person, or is tried beside the champion."""
    moves: int
    """How often the champion has changed."""

    @property
    def aliases(self) -> dict[str, Version | None]:
        """Alias to the version that it means; the champion first."""
        return {CHAMPION: self.champion, CHALLENGER: self.challenger, PREVIOUS: self.previous}


def model_name(use_case: str) -> str:
    """The name of a use case's model among the artifacts."""
    return artifact_name(use_case, "train", "model")


def standing(store: Store, use_case: str) -> Standing:
    """How things stand now.

    Raises:
        Refusal: The store cannot be used.
    """
    name = model_name(use_case)
    moves = store.history(name, CHAMPION)
    waiting = store.aliases(name).get(CHALLENGER)
    champion = moves[-1].after if moves else None
    versions: dict[int | None, Version] = {}
    if champion is not None or waiting is not None:
        versions = {one.number: one for one in store.versions(name)}
    line = _line(moves)
    return Standing(
        use_case,
        versions.get(champion),
        versions.get(line[-2]) if len(line) > 1 else None,
        versions.get(waiting),
        len(moves),
    )


def mark(store: Store, now: Standing) -> str:
    """What stands for a standing in the keys of caches: a verdict holds while the champion is unmoved."""
    if now.champion is None:  # retired, it is not as if there had never been one
        return f"no champion{f', move {now.moves},' if now.moves else ''} in {store.place.shown}"
    return f"{now.champion.ref} {now.champion.digest[:16]}, move {now.moves}, in {store.place.shown}"


def promote(
    store: Store, before: Standing, ref: str, *, who: str = "", why: Mapping[str, Any] | None = None
) -> Standing:
    """Makes a version the champion, if the champion is still the one that was looked at.

    Args:
        store: Where.
        before: How things stood when this was decided.
        ref: The version, `NAME:vN`.
        who: The user or run; the user of this process by default.
        why: What it was decided by: metrics, the difference, the interval.

    Returns:
        How things stand afterwards.

    Raises:
        Refusal: Somebody has moved the champion meanwhile, there is no such version, or its bytes are damaged.
    """
    name = model_name(before.use_case)
    store.verify(ref)  # a damaged model could not be served
    expected = f"v{before.champion.number}" if before.champion else ""
    store.alias(name, CHAMPION, ref, who, expected=expected, why={"action": "promote", **(why or {})})
    return settle(store, before.use_case, who)


def rollback(store: Store, before: Standing, *, who: str = "", why: Mapping[str, Any] | None = None) -> Standing:
    """Brings the former champion back.

    Raises:
        Refusal: There is none, its bytes are damaged, or somebody has moved the champion meanwhile.
    """
    name = model_name(before.use_case)
    if before.champion is None or before.previous is None:
        said = "there is no former champion to go back to" if before.champion else "there is no champion"
        raise Refusal(said, where=f"{name}:{CHAMPION}", mend=f"tabpipe models history {before.use_case}")
    store.verify(before.previous.ref)
    store.alias(
        name,
        CHAMPION,
        before.previous.ref,
        who,
        expected=f"v{before.champion.number}",
        why={"action": ROLLBACK, **(why or {})},
    )
    return settle(store, before.use_case, who)


def retire(store: Store, before: Standing, *, who: str = "", why: Mapping[str, Any] | None = None) -> Standing:
    """Takes the champion's alias away; the next model that is good enough by itself becomes the first champion.

    Raises:
        Refusal: There is no champion, or somebody has moved it meanwhile.
    """
    name = model_name(before.use_case)
    if before.champion is None:
        raise Refusal(
            "there is no champion", where=f"{name}:{CHAMPION}", mend=f"tabpipe models history {before.use_case}"
        )
    expected = f"v{before.champion.number}"
    store.unalias(name, CHAMPION, who, expected=expected, why={"action": RETIRE, **(why or {})})
    return settle(store, before.use_case, who)


def challenge(
    store: Store, use_case: str, ref: str, *, who: str = "", why: Mapping[str, Any] | None = None
) -> Standing:
    """Makes a version the challenger.

    Raises:
        Refusal: There is no such version, or its bytes are damaged.
    """
    store.verify(ref)  # a damaged model could not be served
    store.alias(model_name(use_case), CHALLENGER, ref, who, why=why)
    return standing(store, use_case)


def settle(store: Store, use_case: str, who: str = "") -> Standing:
    """Lets `previous` and `challenger` follow the champion; whoever comes next does it for one that was stopped."""
    now, name = standing(store, use_case), model_name(use_case)
    aliases = store.aliases(name)
    if now.previous is not None and aliases.get(PREVIOUS) != now.previous.number:
        store.alias(name, PREVIOUS, now.previous.ref, who)
    elif now.previous is None and PREVIOUS in aliases:
        store.unalias(name, PREVIOUS, who)
    if now.challenger is not None and now.challenger == now.champion:
        store.unalias(name, CHALLENGER, who)
        now = standing(store, use_case)
    return now


def given_up(store: Store, use_case: str, version: Version) -> Move | None:
    """The move by which a person rolled back or retired this very model, if it was not promoted again since."""
    found = None
    for move in store.history(model_name(use_case), CHAMPION):
        if move.why.get("action") in (ROLLBACK, RETIRE) and move.before == version.number:
            found = move
        elif move.after == version.number:
            found = None
    return found


def _line(moves: Sequence[Move]) -> list[int]:
    """The champions that led to the present one, oldest first: promotions add to it, rollbacks take away."""
    line: list[int] = []
    for move in moves:
        if move.after is None:
            line = []
        elif move.why.get("action") == ROLLBACK and move.after in line[:-1]:
            del line[len(line) - line[::-1].index(move.after) :]
        else:
            line.append(move.after)
    return line
