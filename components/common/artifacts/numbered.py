"""A list of records that only grows, kept by creating one key after the other: the newest is found with one look.

Moving an alias is adding a record. Two who move it at once cannot both create the same number: one of them has to look
again. So what an alias pointed to, when, and who moved it stays on record, and no part of a move can be lost.
"""

from __future__ import annotations

from typing import Any

from components.common.artifacts.version import decoded, encoded
from components.common.storage.backend import Place

_LAST = 99_999_999
"""Keys count down from here, since keys are listed in their order and the newest shall be first."""


def newest(place: Place, prefix: str, *fields: str) -> tuple[int, dict[str, Any] | None]:
    """The number and content of the newest record, which must have some fields; -1 and None where there is none."""
    key = place.first(prefix)
    if key is None:
        return -1, None
    data = place.read(key)
    if data is None:  # Cleared away since it was seen: there is a newer one.
        return newest(place, prefix, *fields)
    return _number(key), decoded(data, place.where(key), *fields)


def append(place: Place, prefix: str, after: int, record: dict[str, Any]) -> bool:
    """Adds a record after the one with a number; says no where another writer was first."""
    return place.create(_key(prefix, after + 1), encoded(record))


def records(place: Place, prefix: str, *fields: str) -> list[dict[str, Any]]:
    """All records, the oldest first."""
    keys = sorted((found.key for found in place.keys(prefix)), reverse=True)
    read = zip(keys, place.read_many(keys), strict=True)
    return [decoded(data, place.where(key), *fields) for key, data in read if data is not None]


def forget(place: Place, prefix: str, keep: int) -> None:
    """Deletes all but the newest records."""
    keys = sorted(found.key for found in place.keys(prefix))
    place.delete(keys[keep:])


def _key(prefix: str, number: int) -> str:
    return f"{prefix}{_LAST - number:08d}.json"


def _number(key: str) -> int:
    return _LAST - int(key.rpartition("/")[2].removesuffix(".json"))
