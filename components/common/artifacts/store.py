"""The store: named versions of files and folders, by content, with aliases."""

from __future__ import annotations

import getpass
import os
import random
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.common.artifacts import aliases, objects
from components.common.artifacts.aliases import Move
from components.common.artifacts.format import check_format
from components.common.artifacts.manifest import Content, content_of
from components.common.artifacts.resolving import names, resolve, unknown
from components.common.artifacts.version import MADE_BY, Input, Making, Version, encoded, now
from components.common.artifacts.version_log import Ledger, Records
from components.common.base.artifact_ref import Ref, check_alias, check_name, is_digest
from components.common.base.errors import Refusal
from components.common.storage.backend import Place
from components.common.storage.types import Progress


class Store:
    """Artifacts in one place.

    Args:
        place: A folder or a bucket.
    """

    def __init__(self, place: Place):
        self.place = place
        self.records = Records(place)
        self._checked = False

    # --- writing

    def put(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        metadata: Mapping[str, Any] | None = None,
        inputs: Iterable[str] = (),
        made_by: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> Version:
        """Stores a file or a folder as the next version of a name, and lets `latest` point to it.

        Bytes that the name has already make no new version; `latest` then points to the one that has them, whose
        metadata stay as they are. Other inputs than its own are put on record as a further making of it.

        Args:
            name: Of the artifact.
            path: The file or folder.
            metadata: What is worth knowing of it: JSON values. `source` is where its data came from.
            inputs: What it was made from: SHA-256 in hex of files, as steps stamp them, or refs (`music_raw:v1`).
            made_by: Of run, step, commit, image and use_case what is known.
            progress: Is told bytes so far and bytes in all of each file that is sent.

        Returns:
            The version; its `new` says whether it was made now.

        Raises:
            Refusal: The name is none, the file cannot be read or changes meanwhile, or the store cannot be used.
        """
        check_name(name)
        if unknown := set(made_by or {}) - set(MADE_BY):
            raise Refusal(
                "made_by does not know this", value=sorted(unknown)[0], rule="known are " + ", ".join(MADE_BY)
            )
        encoded(dict(metadata or {}))
        content = content_of(path)
        if not self._checked:
            check_format(self.place)
            self._checked = True
        making = Making(tuple(self._input(text) for text in inputs), dict(made_by or {}), now())
        old = objects.keep(self.place, content, progress)
        version = self._claim(name, content, dict(metadata or {}), making)
        who = making.made_by.get("run") or user()
        aliases.follow(self.place, name, version.number, forward=version.new, who=who)
        if self.records.is_removed(name, version.number):  # It was given up before the alias pointed to it.
            self.records.restore([version])
            old = True
        if old:  # A collector may have looked at them before we did, and deleted them after.
            objects.keep(self.place, content, progress)
        return version

    def alias(
        self,
        name: str,
        alias: str,
        ref: str,
        who: str = "",
        *,
        expected: str | None = None,
        why: Mapping[str, Any] | None = None,
    ) -> Version:
        """Lets an alias point to a version. The move is on record for good.

        Args:
            name: Of the artifact.
            alias: Any word but the reserved ones.
            ref: The version: `NAME:vN`, or what follows the colon.
            who: The user or run that moves it; the user of this process by default.
            expected: What the alias must point to at this moment, `vN`, or "" for nothing yet; anything by default.
            why: What the move was decided by, such as metrics.

        Raises:
            Refusal: There is no such version, or the alias points to another one than expected.
        """
        check_name(name)
        check_alias(alias)
        wanted = self.resolve(ref if ref.partition(":")[0] == name or ":" in ref else f"{name}:{ref}")
        if wanted.name != name:
            raise Refusal("an alias points to a version of its own name", where=f"{name}:{alias}", value=wanted.ref)
        who, before = who or user(), aliases.target(self.place, name, alias)
        aliases.move(self.place, name, alias, wanted.number, who, expected, dict(why or {}))
        if self.records.is_removed(name, wanted.number):  # It was given up just before the alias came.
            back = None if before is not None and self.records.is_removed(name, before) else before
            with suppress(Refusal):  # Somebody has moved it on.
                aliases.move(self.place, name, alias, back, who, f"v{wanted.number}", {})
            return self.alias(name, alias, wanted.ref, who, expected=expected, why=why)  # Says so, unless it is back.
        return wanted

    def unalias(
        self,
        name: str,
        alias: str,
        who: str = "",
        *,
        expected: str | None = None,
        why: Mapping[str, Any] | None = None,
    ) -> None:
        """Takes an alias away; its history stays, with this move and its reason.

        Raises:
            Refusal: There is no such alias, or it points to another version than expected.
        """
        check_alias(alias)
        if alias not in self.aliases(name):
            raise unknown(self.place, self.records, Ref(name, alias))
        aliases.move(self.place, name, alias, None, who or user(), expected, dict(why or {}))

    # --- reading

    def resolve(self, ref: str) -> Version:
        """The version that `NAME`, `NAME:ALIAS`, `NAME:vN` or `NAME:DIGEST` means.

        Raises:
            Refusal: There is none, it was removed, or the start of a digest fits several.
        """
        return resolve(self.place, self.records, ref)

    def get(self, ref: str, destination: str | os.PathLike[str], *, progress: Progress | None = None) -> Path:
        """Brings a version to a file or folder, which appears whole or not at all, and whose bytes are verified.

        Args:
            ref: Which version.
            destination: Where to; an existing folder gets a file under its own name. A folder must not be there
                yet, or be empty.
            progress: Is told bytes so far and bytes in all of each file.

        Returns:
            Where it is.

        Raises:
            Refusal: There is no such version, it is damaged in the store, or it cannot be written.
        """
        version, target = self.resolve(ref), Path(destination)
        if version.kind == "file" and target.is_dir():
            target = target / version.filename
        objects.bring(self.place, version, target, progress)
        return target

    def get_file(self, version: Version, digest: str, path: Path) -> None:
        """Brings one file of a folder out, verified.

        Args:
            version: The folder.
            digest: Of the file, as `files` tells it.
            path: Where to.
        """
        objects.bring_one(self.place, version, digest, path)

    def verify(self, ref: str) -> None:
        """Compares all bytes of a version with their digests, as `get` does, without bringing them anywhere.

        Raises:
            Refusal: There is no such version, or it is damaged in the store.
        """
        objects.verify(self.place, self.resolve(ref))

    def files(self, version: Version) -> dict[str, tuple[str, int]]:
        """The files of a version: relative path to digest and bytes."""
        return objects.files(self.place, version)

    def names(self) -> list[str]:
        """The names of all artifacts, in alphabetical order."""
        return names(self.place)

    def ledger(self, name: str) -> Ledger:
        """All that is on record of a name.

        Raises:
            Refusal: There is no such artifact.
        """
        found = self.records.ledger(check_name(name))
        if not found.versions:
            raise unknown(self.place, self.records, Ref(name))
        return found

    def versions(self, name: str) -> list[Version]:
        """The versions of a name that are there, oldest first.

        Raises:
            Refusal: There is no such artifact.
        """
        return self.ledger(name).present

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of a name, `latest` included, and the numbers of the versions that they point to."""
        return aliases.targets(self.place, check_name(name))

    def history(self, name: str, alias: str) -> list[Move]:
        """All moves of an alias, oldest first; of `latest` the newest hundred or so."""
        return aliases.history(self.place, check_name(name), alias)

    def everything(self) -> list[Version]:
        """All versions of all names, removed ones too."""
        return [version for name in self.names() for version in self.records.ledger(name).versions]

    def find(self, digest: str) -> list[Version]:
        """All versions that have a digest, of whatever name, removed ones too."""
        return [version for version in self.everything() if version.digest == digest]

    # --- how

    def _claim(self, name: str, content: Content, metadata: dict[str, Any], making: Making) -> Version:
        """Gives the content the next free number, unless the name has it.

        A number is claimed by whoever first creates its record, having seen all records below it. So two writers of
        the same bytes cannot both make a version: the one that is second sees the first one's.
        """
        for attempt in range(10_000):
            ledger = self.records.ledger(name)
            if same := ledger.with_digest(content.digest):
                self.records.made_again(same, making)
                return same
            version = Version(
                name,
                len(ledger.versions),
                content.digest,
                content.kind,
                content.bytes,
                len(content.files),
                content.filename,
                metadata,
                making,
                new=True,
            )
            if self.records.claim(version):
                return version
            time.sleep(random.uniform(0, 0.002 * min(attempt + 1, 50)))
        raise Refusal("too many others write this name at once", where=name, mend="try again")

    def _input(self, text: str) -> Input:
        if is_digest(text):
            return Input(text)
        version = self.resolve(text)
        return Input(version.digest, version.ref)


def user() -> str:
    """The user of this process, as well as it is known."""
    with suppress(KeyError, OSError):
        return getpass.getuser()
    return f"uid {os.getuid()}"
