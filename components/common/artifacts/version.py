"""One version of an artifact, and the making that it came of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from components.common.base.artifact_ref import check_digest, check_filename
from components.common.base.errors import Refusal

MADE_BY = ("run", "step", "commit", "image", "use_case")


@dataclass(frozen=True)
class Input:
    """Something that a version was made from."""

    digest: str
    """SHA-256 in hex: of a file, or of a folder's manifest."""
    ref: str = ""
    """`NAME:vN`, where it was given so."""


@dataclass(frozen=True)
class Making:
    """Who made a version, from what and when. The same bytes may come of several makings."""

    inputs: tuple[Input, ...]
    made_by: Mapping[str, str]
    """Of run, step, commit, image and use_case what is known."""
    created: str
    """ISO 8601, UTC."""

    def document(self) -> dict[str, Any]:
        """As it stands in the store."""
        inputs = [{key: value for key, value in asdict(one).items() if value} for one in self.inputs]
        return {"inputs": inputs, "made_by": dict(self.made_by), "created": self.created}


@dataclass(frozen=True)
class Version:
    """A version: which bytes, made by whom, from what."""

    name: str
    number: int
    digest: str
    """SHA-256 in hex of the file; of the manifest where it is a folder."""
    kind: Literal["file", "folder"]
    bytes: int
    files: int
    filename: str
    """What the file or folder was called when it was put."""
    metadata: Mapping[str, Any]
    first: Making
    more: tuple[Making, ...] = ()
    """Later makings of the same bytes from other inputs."""
    removed: Mapping[str, Any] | None = None
    """When and by whom its bytes were given up; None while it is there."""
    new: bool = field(default=False, compare=False)
    """Whether the `put` that gave it has made it."""

    @property
    def ref(self) -> str:
        """`NAME:vN`."""
        return f"{self.name}:v{self.number}"

    @property
    def created(self) -> str:
        """When it was first made, ISO 8601, UTC."""
        return self.first.created

    @property
    def made_by(self) -> Mapping[str, str]:
        """The run that first made it."""
        return self.first.made_by

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What it was made from, in any of its makings."""
        return tuple(dict.fromkeys(one for making in (self.first, *self.more) for one in making.inputs))

    @property
    def source(self) -> str:
        """The URL or path that its data came from, where its metadata say so."""
        return str(self.metadata.get("source") or "")

    def document(self) -> dict[str, Any]:
        """As it stands in the store: what never changes of it."""
        return {
            "name": self.name,
            "version": self.number,
            "digest": self.digest,
            "kind": self.kind,
            "bytes": self.bytes,
            "files": self.files,
            "filename": self.filename,
            "metadata": dict(self.metadata),
            **self.first.document(),
        }

    def shown(self) -> dict[str, Any]:
        """As the commands print it as JSON."""
        more = [making.document() for making in self.more]
        return {
            "ref": self.ref,
            **self.document(),
            **({"also_made": more} if more else {}),
            **({"removed": dict(self.removed)} if self.removed else {}),
        }


def now() -> str:
    """The time as it stands in the store: ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(stamp: str) -> float:
    """Seconds since the epoch of a time in the store."""
    return datetime.fromisoformat(stamp).timestamp()


def encoded(document: Mapping[str, Any]) -> bytes:
    """A document as bytes, the same for the same content.

    Raises:
        Refusal: A value cannot stand in JSON.
    """
    try:
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise Refusal(
            f"a value of an artifact's metadata is not JSON ({error})",
            rule="text, numbers, true, false, null, lists and objects",
            mend="turn it into text or a number; leave out what is infinite or not a number",
        ) from None


def decoded(data: bytes, where: str, *fields: str) -> Any:
    """A document of the store.

    Args:
        data: Its bytes.
        where: Where it is, for messages.
        fields: What it must have; none where it is no object.

    Raises:
        Refusal: It is damaged.
    """
    try:
        document = json.loads(data)
    except ValueError:
        raise damaged(where) from None
    if fields and not (isinstance(document, dict) and all(field in document for field in fields)):
        raise damaged(where)
    return document


def making_of(document: Mapping[str, Any]) -> Making:
    """The making that a document tells of."""
    inputs = tuple(Input(one["digest"], one.get("ref", "")) for one in document["inputs"])
    return Making(inputs, document["made_by"], document["created"])


def version_of(document: Any, name: str, number: int, where: str) -> Version:
    """The version that a document tells of.

    Raises:
        Refusal: It is damaged, or that of another version, or a name in it is a path.
    """
    try:
        version = Version(
            name=document["name"],
            number=document["version"],
            digest=document["digest"],
            kind=document["kind"],
            bytes=document["bytes"],
            files=document["files"],
            filename=document["filename"],
            metadata=document["metadata"],
            first=making_of(document),
        )
    except (KeyError, TypeError, AttributeError):
        raise damaged(where) from None
    if (version.name, version.number) != (name, number) or version.kind not in ("file", "folder"):
        raise damaged(where)
    check_digest(version.digest, where)
    check_filename(version.filename, where)
    return version


def damaged(where: str) -> Refusal:
    """The refusal of a record that cannot be read."""
    return Refusal(
        "this record of the artifact store is damaged",
        where=where,
        mend="bring it back from a backup of the store, or delete it if its version is not needed",
    )
