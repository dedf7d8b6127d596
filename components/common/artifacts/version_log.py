"""What is on record of one name: its versions, those that were removed, and further makings of the same bytes.

Records are never changed, so one that was read is not read again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from components.common.artifacts.manifest import digest_of_bytes
from components.common.artifacts.version import Making, Version, decoded, encoded, making_of, version_of
from components.common.base.errors import Refusal
from components.common.storage.backend import Place

_FIELDS = {"made": ("inputs", "made_by", "created"), "removed": ("at", "who")}
"""What records must have."""


@dataclass
class Ledger:
    """The versions of a name, as they were when it was read."""

    name: str
    versions: list[Version] = field(default_factory=list)
    """All of them, removed ones too; a version stands at its number."""

    @property
    def present(self) -> list[Version]:
        """Those that are not removed."""
        return [version for version in self.versions if not version.removed]

    def with_digest(self, digest: str) -> Version | None:
        """The newest present version of these bytes."""
        return next((one for one in reversed(self.versions) if one.digest == digest and not one.removed), None)


class Records:
    """Reads and writes the records of versions.

    Args:
        place: Where they are.
    """

    def __init__(self, place: Place):
        self._place = place
        self._known: dict[str, Any] = {}

    def ledger(self, name: str) -> Ledger:
        """Reads all that is on record of a name; an empty ledger where it is unknown.

        Raises:
            Refusal: A record is damaged or missing.
        """
        count, removed, more = self._listed(name)
        documents = self._read(_version_key(name, number) for number in range(count))
        gone, makings = self._read(removed), self._read(more)
        found = []
        for number in range(count):
            key = _version_key(name, number)
            if key not in documents:
                raise Refusal(
                    "a record of the artifact store is missing",
                    where=self._place.where(key),
                    mend="bring it back from a backup of the store; versions are never deleted by hand",
                )
            version = version_of(documents[key], name, number, self._place.where(key))
            later = _in_time(making_of(makings[key]) for key in makings if _number(key) == number)
            found.append(replace(version, more=later, removed=gone.get(_removal_key(name, number))))
        return Ledger(name, found)

    def version(self, name: str, number: int) -> Version | None:
        """One version; None where there is none."""
        key, removal = _version_key(name, number), _removal_key(name, number)
        self._read([key])
        if key not in self._known:
            return None
        gone = self._place.read(removal)
        prefix = f"names/{name}/made/{number:08d}-"
        later = self._read([one.key for one in self._place.keys(f"names/{name}/made/") if one.key.startswith(prefix)])
        return replace(
            version_of(self._known[key], name, number, self._place.where(key)),
            more=_in_time(making_of(document) for document in later.values()),
            removed=decoded(gone, self._place.where(removal), *_FIELDS["removed"]) if gone else None,
        )

    def claim(self, version: Version) -> bool:
        """Puts a version on record under its number; says no where that is taken. All below it must have been seen."""
        return self._place.create(_version_key(version.name, version.number), encoded(version.document()))

    def made_again(self, version: Version, making: Making) -> None:
        """Puts a further making of a version's bytes on record, unless one from the same inputs is."""
        if any(set(making.inputs) == set(known.inputs) for known in (version.first, *version.more)):
            return
        inputs = digest_of_bytes("\n".join(sorted(one.digest for one in making.inputs)).encode())[:16]
        key = f"names/{version.name}/made/{version.number:08d}-{inputs}.json"
        self._place.create(key, encoded(making.document()))

    def remove(self, version: Version, record: dict[str, Any]) -> bool:
        """Puts on record that a version is given up; says no where it was already."""
        return self._place.create(_removal_key(version.name, version.number), encoded(record))

    def is_removed(self, name: str, number: int) -> bool:
        """Whether a version is given up at this moment."""
        return self._place.read(_removal_key(name, number)) is not None

    def restore(self, versions: Iterable[Version]) -> None:
        """Takes back that versions are given up."""
        self._place.delete(_removal_key(version.name, version.number) for version in versions)

    def _listed(self, name: str) -> tuple[int, list[str], list[str]]:
        """How many versions there are, and the keys of removals and further makings."""
        prefix = f"names/{name}/"
        gaps: list[int] = []
        while True:
            kinds: dict[str, list[str]] = {}
            for found in self._place.keys(prefix, after=f"{prefix}aliases0"):
                kinds.setdefault(found.key.removeprefix(prefix).partition("/")[0], []).append(found.key)
            numbers = {_number(key) for key in kinds.get("versions", [])}
            count = max(numbers, default=-1) + 1
            missing = [number for number in range(count) if number not in numbers]
            # A list of many pages is not of one moment. Numbers are given out in order, so a gap means: look again.
            if not missing or missing == gaps:
                return count, kinds.get("removed", []), kinds.get("made", [])
            gaps = missing

    def _read(self, keys: Iterable[str]) -> dict[str, Any]:
        """Documents by key, without those that are not there."""
        keys = list(keys)
        wanted = [key for key in keys if key not in self._known]
        for key, data in zip(wanted, self._place.read_many(wanted), strict=True):
            if data is not None:
                kind = key.split("/")[2]
                self._known[key] = decoded(data, self._place.where(key), *_FIELDS.get(kind, ()))
        return {key: self._known[key] for key in keys if key in self._known}


def _in_time(makings: Iterable[Making]) -> tuple[Making, ...]:
    return tuple(sorted(makings, key=lambda making: making.created))


def _version_key(name: str, number: int) -> str:
    return f"names/{name}/versions/{number:08d}.json"


def _removal_key(name: str, number: int) -> str:
    return f"names/{name}/removed/{number:08d}.json"


def _number(key: str) -> int:
    return int(key.rpartition("/")[2][:8])
