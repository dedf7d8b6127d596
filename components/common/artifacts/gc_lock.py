"""Writers and the collector beside each other: nothing is collected that somebody is about to use.

A writer says which digests it is about to use, then looks whether a collector is at work, and if so waits for its end.
A collector says that it is at work, then looks what writers have said. Whichever comes second sees the first: either
the collector keeps what the writer uses, or the writer starts when the collector has ended and finds out by itself
what is there.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from components.common.artifacts import numbered
from components.common.artifacts.version import decoded, encoded, now
from components.common.base.errors import Refusal
from components.common.storage.backend import Place

WRITERS, COLLECTOR = "writers/", "collector/"
NOTICE_SECONDS = 86400.0
"""A writer's notice that is older is that of a dead one."""
BEAT_SECONDS, DEAD_SECONDS = 10.0, 120.0
"""How often a collector says that it lives, and after which silence it is taken for dead, by whoever waits for it."""
_LOOK_SECONDS = 0.25


@dataclass(frozen=True)
class Notice:
    """What a writer has said."""

    key: str
    digests: tuple[str, ...]
    age: float
    """Seconds."""


@contextmanager
def writing(place: Place, digests: Iterable[str]) -> Iterator[None]:
    """Keeps digests from being collected while the block runs; waits for a collector to end first.

    Raises:
        Refusal: The store cannot be used.
    """
    key = f"{WRITERS}{uuid.uuid4().hex}.json"
    who = f"{socket.gethostname()} {os.getpid()}"
    place.create(key, encoded({"digests": sorted(set(digests)), "who": who, "since": now()}))
    try:
        _wait(place)
        yield
    finally:
        with suppress(Refusal):  # A notice that is left keeps a few objects for a day, no more.
            place.delete([key])


def notices(place: Place, at: float) -> list[Notice]:
    """What writers have said.

    Args:
        place: Where.
        at: The present, seconds since the epoch.
    """
    found = list(place.keys(WRITERS))
    read = zip(found, place.read_many([one.key for one in found]), strict=True)
    return [
        Notice(one.key, tuple(decoded(data, place.where(one.key), "digests")["digests"]), at - one.modified)
        for one, data in read
        if data is not None
    ]


class Collecting:
    """A collector's turn, which begins when no other one is at work. Call `beat` before each deletion.

    Args:
        place: Where.
        who: Who collects.
    """

    def __init__(self, place: Place, who: str):
        self._place, self._who = place, who

    def __enter__(self) -> Collecting:
        while True:
            self._number, self._said = _wait(self._place), 0.0
            with suppress(_Overtaken):
                self.beat()
                return self

    def beat(self) -> None:
        """Says now and then that this collector lives.

        Raises:
            Refusal: It was silent for so long that others took it for dead.
        """
        if time.monotonic() - self._said > BEAT_SECONDS or not self._said:
            self._say("collecting")

    def __exit__(self, *_: object) -> None:
        with suppress(Refusal):  # Without a last word it is taken for dead after a while.
            self._say("done")
            numbered.forget(self._place, COLLECTOR, 1)

    def _say(self, state: str) -> None:
        if not numbered.append(self._place, COLLECTOR, self._number, {"state": state, "who": self._who, "at": now()}):
            raise _Overtaken(
                "this collector was taken for dead and stops",
                where=self._place.shown,
                rule=f"it has to be heard of every {DEAD_SECONDS:.0f} s",
                mend="collect again; what is left is not harmed",
            )
        self._number, self._said = self._number + 1, time.monotonic()


class _Overtaken(Refusal):
    """Another has written the collector's next record."""


def _wait(place: Place) -> int:
    """Waits until no collector is at work; gives the number of its last record.

    A silent one is declared dead by adding a record, which is also what stops it should it wake up. Only this process's
    own clock counts, so machines whose clocks differ agree.
    """
    seen, since = -2, 0.0
    while True:
        number, record = numbered.newest(place, COLLECTOR, "state", "who")
        if not record or record["state"] != "collecting":
            return number
        if number != seen:
            seen, since = number, time.monotonic()
        elif time.monotonic() - since > DEAD_SECONDS:
            numbered.append(place, COLLECTOR, number, {"state": "silent", "who": record["who"], "at": now()})
        time.sleep(_LOOK_SECONDS)
