"""Giving up versions that nothing needs any more, and the bytes that only they had."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from components.common.artifacts import objects
from components.common.artifacts.gc_lock import NOTICE_SECONDS, Collecting, Notice, notices
from components.common.artifacts.lineage import Descent
from components.common.artifacts.store import Store, user
from components.common.artifacts.version import Version, now, seconds
from components.common.base.errors import Refusal

_BATCH = 500

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
    writers: int = 0
    """How many were at work, whose bytes were left alone."""


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

    Kept are: versions that an alias points to (`latest` is one); younger ones; those that a writer is about to use; and
    all that the kept ones were made from. A version that is given up stays on record, with its digest and lineage.
    Bytes go when no kept version has them and they are old, too: those of an interrupted upload as well.

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
    if plan.versions or plan.keys:
        who = who or user()
        with Collecting(store.place, who) as turn:
            # Again, now that whoever begins to write waits for us: what was taken into use since then is spared.
            plan = _plan(store, older_than, at, manifests, only=set(plan.keys), told=turn.beat)
            for version in plan.versions:
                turn.beat()
                store.records.remove(version, {"at": now(), "who": who})
            for start in range(0, len(plan.keys), _BATCH):
                turn.beat()
                store.place.delete(plan.keys[start : start + _BATCH])
                if len(plan.keys) > _BATCH:
                    say(f"{min(start + _BATCH, len(plan.keys))} of {len(plan.keys)} objects")
    plan.uploads = _clear_dead(store, at)
    return plan


def give_up(store: Store, ref: str, who: str = "") -> Version:
    """Gives up one version; its bytes go with the next `collect`.

    Raises:
        Refusal: There is no such version, or an alias needs it, or a writer is about to use it.
    """
    who = who or user()
    with Collecting(store.place, who):
        version = store.resolve(ref)
        descent = Descent(store.everything())
        for name in store.names():
            for alias, number in store.aliases(name).items():
                pointed = descent.versions[f"{name}:v{number}"]
                if version.ref in descent.ancestors([pointed]):
                    itself = pointed.ref == version.ref
                    raise Refusal(
                        f"{version.ref} is {alias}" if itself else f"{name}:{alias} was made from {version.ref}",
                        where=ref,
                        rule="what an alias points to is kept, and all that it came of",
                        mend="let the alias point to another version first; latest moves with newer data",
                    )
        if any(version.digest in notice.digests for notice in _present_notices(store, time.time())):
            raise Refusal(f"somebody is about to use {version.ref}", where=ref, mend="try again in a while")
        store.records.remove(version, {"at": now(), "who": who})
    return version


def _plan(
    store: Store,
    older_than: float,
    at: float,
    manifests: Manifests,
    only: set[str] | None = None,
    told: Callable[[], None] = lambda: None,
) -> Collected:
    """Finds what is not needed.

    Args:
        store: The store.
        older_than: Seconds.
        at: The present.
        manifests: Those that were read; more are added.
        only: Keys of the objects that may go; all by default.
        told: Is called now and then.
    """
    # Before the versions: a writer that ends in between has made its version by then.
    said = _present_notices(store, at)
    announced = {digest for notice in said for digest in notice.digests}
    everything: list[Version] = []
    aliased: set[str] = set()
    for name in store.names():
        told()
        everything += store.records.ledger(name).versions
        aliased |= {f"{name}:v{number}" for number in store.aliases(name).values()}
    present = [version for version in everything if not version.removed]
    kept = Descent(everything).ancestors(
        version
        for version in present
        if version.ref in aliased or at - seconds(version.created) < older_than or version.digest in announced
    )
    digests = set(announced)
    for version in present:
        if version.ref in kept:
            digests.add(version.digest)
            if version.kind == "folder" and version.digest not in manifests:
                told()
                manifests[version.digest] = [digest for digest, _ in store.files(version).values()]
            digests.update(manifests.get(version.digest, []))
    needed = {objects.key_of(digest) for digest in digests}
    result = Collected(
        versions=[version for version in present if version.ref not in kept],
        kept_versions=sum(version.ref in kept for version in present),
        writers=len(said),
    )
    for found in store.place.keys(objects.PREFIX):
        if found.key not in needed and at - found.modified >= older_than and (only is None or found.key in only):
            result.keys.append(found.key)
            result.bytes += found.bytes
        else:
            result.kept_objects += 1
            result.kept_bytes += found.bytes
    return result


def _present_notices(store: Store, at: float) -> list[Notice]:
    return [notice for notice in notices(store.place, at) if notice.age < NOTICE_SECONDS]


def _clear_dead(store: Store, at: float) -> int:
    """Clears away what killed writers have left: their notices, and uploads that never ended."""
    dead = [notice for notice in notices(store.place, at) if notice.age >= NOTICE_SECONDS]
    announced = [objects.key_of(digest) for notice in dead for digest in notice.digests]
    cleared = store.place.clear_uploads(at - NOTICE_SECONDS, announced)
    store.place.delete([notice.key for notice in dead])
    return cleared
