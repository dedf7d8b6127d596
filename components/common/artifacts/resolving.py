"""Which version a reference means, and a helpful word where it means none."""

from __future__ import annotations

from components.common.artifacts import aliases
from components.common.artifacts.version import Version
from components.common.artifacts.version_log import Records
from components.common.base.artifact_ref import Ref, parse_ref
from components.common.base.errors import Refusal, nearest
from components.common.storage.backend import Place


def resolve(place: Place, records: Records, ref: str) -> Version:
    """The version that `NAME`, `NAME:ALIAS`, `NAME:vN` or `NAME:DIGEST` means.

    Raises:
        Refusal: There is none, it was removed, or the start of a digest fits several.
    """
    wanted = parse_ref(ref)
    number = wanted.number
    if number is None and not wanted.digest:  # no alias may look like a digest
        number = aliases.target(place, wanted.name, wanted.what)
    if number is None and wanted.digest:
        number = _by_digest(records, wanted)
    version = records.version(wanted.name, number) if number is not None else None
    if version is None:
        raise unknown(place, records, wanted)
    if version.removed:
        raise Refusal(
            f"{version.ref} was removed on {version.removed.get('at')} by {version.removed.get('who')}",
            where=str(wanted),
            mend=f"tabpipe artifacts list {wanted.name} shows what is there; the same data can be put again",
        )
    return version


def names(place: Place) -> list[str]:
    """The names of all artifacts, in alphabetical order."""
    return sorted(place.folders("names/"))


def unknown(place: Place, records: Records, wanted: Ref) -> Refusal:
    """The refusal of a reference that means nothing here."""
    known = names(place)
    if wanted.name not in known:
        mend = nearest(wanted.name, known) if known else f"nothing is stored in {place.shown} yet"
        return Refusal(f"there is no artifact {wanted.name}", where=place.shown, mend=mend)
    last = len(records.ledger(wanted.name).versions) - 1
    if wanted.number is not None:
        what = f"version {wanted.what}"
    else:
        what = f"version with the digest {wanted.what}" if wanted.digest else f"alias {wanted.what!r}"
    return Refusal(
        f"{wanted.name} has no {what}",
        where=str(wanted),
        rule=f"its versions are v0 to v{last}" if last > 0 else "its only version is v0",
        mend=f"tabpipe artifacts list {wanted.name} shows them"
        if wanted.number is not None or wanted.digest
        else nearest(wanted.what, aliases.targets(place, wanted.name)),
    )


def _by_digest(records: Records, wanted: Ref) -> int | None:
    fitting = [one for one in records.ledger(wanted.name).versions if one.digest.startswith(wanted.what)]
    if len({one.digest for one in fitting}) > 1:
        raise Refusal("several versions have such a digest", where=str(wanted), mend="write more of its digits")
    present = [one for one in fitting if not one.removed]
    return (present or fitting)[-1].number if fitting else None
