"""Giving up versions that nothing needs any more, and the bytes that only they had.

Writers go on meanwhile. A collector writes down what it gives up, then looks again whether anything needs it by now;
`Store` writes its record or alias first, then looks whether the version was given up. One of the two sees the other.
Bytes that are younger than a day are spared, and a writer that takes up old ones makes them young.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from components.common.artifacts import objects
from components.common.artifacts.lineage import Descent
from components.common.artifacts.store import Store, user
from components.common.artifacts.version import Version, now, seconds
from components.common.base.errors import Refusal

SPARED_SECONDS = 86400.0
"""Bytes that were stored or taken up again more recently stay, and so do uploads that were begun since."""
_BATCH = 100
"""Objects whose age is looked at again right before they are deleted."""

Manifests = dict[str, list[str]]
"""Digest of a folder to the digests of its files."""


@dataclass
class Collected:
    """What was given up, or would be."""

    versions: list[Version] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """Of objects."""
    bytes: int = 0
    uploads: int = 0
    """Interrupted uploads."""
    kept_versions: int = 0
    kept_objects: int = 0
    kept_bytes: int = 0


def collect(
    store: Store,
    older_than: float,
    *,
    dry_run: bool = False,
    who: str = "",
    at: float | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Collected:
    """Gives up what is old and needed by nothing.

    Kept are: versions that an alias points to (`latest` is one); younger ones; and all that the kept ones were made
    from. A version that is given up stays on record, with its digest and lineage. Bytes go when no kept version has
    them and they are old, too, and at least a day old: those of an interrupted upload as well.

    Args:
        store: The store. Others may write to it meanwhile.
        older_than: Seconds.
        dry_run: Whether to tell only.
        who: The user or run that collects.
        at: The present, seconds since the epoch.
        say: Is told how far it is.

    Raises:
        Refusal: The store cannot be used, or a record that tells what is needed is damaged: then nothing is deleted.
    """
    at = time.time() if at is None else at
    manifests: Manifests = {}
    plan = _plan(store, older_than, at, manifests)
    if dry_run:
        return plan
    if plan.versions:
        record = {"at": now(), "who": who or user()}
        ours = {version.ref for version in plan.versions if store.records.remove(version, record)}
        given_up = plan.versions
        plan = _plan(store, older_than, at, manifests, ours)
        going = {version.ref for version in plan.versions}
        store.records.restore(one for one in given_up if one.ref in ours - going)
    oldest = at - max(older_than, SPARED_SECONDS)
    for start in range(0, len(plan.keys), _BATCH):
        batch = plan.keys[start : start + _BATCH]
        found = [store.place.look(key) for key in batch]
        store.place.delete([one.key for one in found if one and one.modified <= oldest])
        if len(plan.keys) > _BATCH:
            say(f"{start + len(batch)} of {len(plan.keys)} objects")
    plan.uploads = store.place.clear_uploads(at - SPARED_SECONDS)
    return plan


def give_up(store: Store, ref: str, who: str = "") -> Version:
    """Gives up one version; its bytes go with the first `collect` after a day.

    Raises:
        Refusal: There is no such version, or an alias needs it.
    """
    version = store.resolve(ref)
    _refuse_needed(store, version)
    store.records.remove(version, {"at": now(), "who": who or user()})
    try:
        _refuse_needed(store, version)  # Again: an alias may have been moved to it meanwhile.
    except Refusal:
        store.records.restore([version])
        raise
    return version


def _refuse_needed(store: Store, version: Version) -> None:
    descent = Descent(store.everything())
    for name in store.names():
        for alias, number in store.aliases(name).items():
            pointed = descent.versions[f"{name}:v{number}"]
            if version.ref in descent.ancestors([pointed]):
                itself = pointed.ref == version.ref
                raise Refusal(
                    f"{version.ref} is {alias}" if itself else f"{name}:{alias} was made from {version.ref}",
                    where=version.ref,
                    rule="what an alias points to is kept, and all that it came of",
                    mend="let the alias point to another version first; latest moves with newer data",
                )


def _plan(
    store: Store, older_than: float, at: float, manifests: Manifests, ours: Collection[str] | None = None
) -> Collected:
    """Finds what is not needed.

    Args:
        store: The store.
        older_than: Seconds.
        at: The present.
        manifests: Those that were read; more are added.
        ours: The versions that may go, which are on record as given up; all by default.
    """
    everything: list[Version] = []
    aliased: set[str] = set()
    for name in store.names():
        everything += store.records.ledger(name).versions
        aliased |= {f"{name}:v{number}" for number in store.aliases(name).values()}
    present = [version for version in everything if not version.removed or version.ref in (ours or ())]
    kept = Descent(everything).ancestors(
        version for version in present if version.ref in aliased or at - seconds(version.created) < older_than
    )
    going = [one for one in present if one.ref not in kept and (ours is None or one.ref in ours)]
    gone = {version.ref for version in going}
    digests: set[str] = set()
    for version in present:
        if version.ref not in gone:
            digests.add(version.digest)
            if version.kind == "folder" and version.digest not in manifests:
                manifests[version.digest] = [digest for digest, _ in store.files(version).values()]
            digests.update(manifests.get(version.digest, []))
    needed = {objects.key_of(digest) for digest in digests}
    result = Collected(versions=going, kept_versions=len(present) - len(going))
    for found in store.place.keys(objects.PREFIX):
        if found.key not in needed and at - found.modified >= max(older_than, SPARED_SECONDS):
            result.keys.append(found.key)
            result.bytes += found.bytes
        else:
            result.kept_objects += 1
            result.kept_bytes += found.bytes
    return result
