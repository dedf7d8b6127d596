"""Words that point to versions: where they point, moving them, and who has moved them when."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.common.artifacts import numbered
from components.common.artifacts.version import now
from components.common.base.artifact_ref import LATEST
from components.common.base.errors import Refusal
from components.common.storage.backend import Place

_LATEST_KEPT = 100
"""`latest` moves with each put and versions tell the rest, so of its history this many moves are kept, and some."""
_FIELDS = ("from", "to", "who", "at")


@dataclass(frozen=True)
class Move:
    """A move of an alias. Versions are given by their numbers; None: it pointed, or points, to nothing."""

    before: int | None
    after: int | None
    who: str
    at: str
    """ISO 8601, UTC."""
    why: Mapping[str, Any] = field(default_factory=dict)


def target(place: Place, name: str, alias: str) -> int | None:
    """The number of the version that an alias points to; None where there is no such alias."""
    _, record = numbered.newest(place, _prefix(name, alias), *_FIELDS)
    return record["to"] if record else None


def targets(place: Place, name: str) -> dict[str, int]:
    """All aliases of a name and where they point."""
    found = {alias: target(place, name, alias) for alias in place.folders(f"names/{name}/aliases/")}
    return {alias: number for alias, number in sorted(found.items()) if number is not None}


def history(place: Place, name: str, alias: str) -> list[Move]:
    """All moves of an alias, oldest first."""
    return [
        Move(one["from"], one["to"], one["who"], one["at"], one.get("why") or {})
        for one in numbered.records(place, _prefix(name, alias), *_FIELDS)
    ]


def move(
    place: Place, name: str, alias: str, number: int | None, who: str, expected: str | None, why: dict[str, Any]
) -> None:
    """Lets an alias point elsewhere; of two who expect the same present target, one succeeds.

    Args:
        place: Where.
        name: Of the artifact.
        alias: The alias.
        number: Of the version; None takes the alias away.
        who: Who moves it.
        expected: `vN` that it must point to now, "" for nothing, None for anything.
        why: What was the reason.

    Raises:
        Refusal: It points to another version than expected.
    """

    def wanted(present: int | None) -> bool:
        if expected is not None and expected != ("" if present is None else f"v{present}"):
            raise Refusal(
                f"{alias} points to {_shown(present)} by now, not to {expected or 'nothing'}: somebody has moved it",
                where=f"{name}:{alias}",
                mend=f"look at it again (tabpipe artifacts show {name}:{alias}) and decide anew",
            )
        return present != number

    _append(place, name, alias, number, wanted, {"who": who, "why": why} if why else {"who": who})


def follow(place: Place, name: str, number: int, *, forward: bool, who: str) -> None:
    """Lets `latest` point to what was put.

    Args:
        place: Where.
        name: Of the artifact.
        number: Of the version.
        forward: Whether it was new. Of several new ones, put at the same time, the last one shall be the latest.
        who: Who put it.
    """

    def wanted(present: int | None) -> bool:
        return present is None or (present < number if forward else present != number)

    at = _append(place, name, LATEST, number, wanted, {"who": who})
    if at is not None and at % _LATEST_KEPT == _LATEST_KEPT - 1:
        numbered.forget(place, _prefix(name, LATEST), _LATEST_KEPT)


def _append(place: Place, name: str, alias: str, number: int | None, wanted: Any, more: dict[str, Any]) -> int | None:
    """Adds a move if it is wanted after the present one; gives its number."""
    prefix = _prefix(name, alias)
    for attempt in range(10_000):
        at, record = numbered.newest(place, prefix, *_FIELDS)
        present = record["to"] if record else None
        if not wanted(present):
            return None
        if numbered.append(place, prefix, at, {"from": present, "to": number, "at": now(), **more}):
            return at + 1
        time.sleep(random.uniform(0, 0.002 * min(attempt + 1, 50)))
    raise Refusal("too many others move this alias at once", where=f"{name}:{alias}", mend="try again")


def _prefix(name: str, alias: str) -> str:
    return f"names/{name}/aliases/{alias}/"


def _shown(number: int | None) -> str:
    return "nothing" if number is None else f"v{number}"
