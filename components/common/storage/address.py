"""What a user writes as a source, taken apart; and the same without its secrets, fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from components.common.base.errors import Refusal, nearest
from components.common.base.redact import redact

SCHEMES = ("artifact", "file", "http", "https", "s3", "sample")


@dataclass(frozen=True)
class Address:
    """A source, taken apart."""

    kind: Literal["path", "http", "s3", "sample", "artifact"]
    target: str
    """An absolute path, a whole URL, `bucket/key` or `bucket/prefix/`, a sample's name, `NAME:ALIAS` of an artifact."""
    shown: str
    """The source as it may stand in messages and metadata: without credentials."""
    name: str
    """The file's own name, whose ending tells the format."""


def parse(source: str) -> Address:
    """Takes a source apart.

    Args:
        source: A path, or a file://, http(s)://, s3://, sample:// or artifact:// URL.

    Raises:
        Refusal: The scheme is unknown, or a part of the URL is missing.
    """
    scheme, separator, rest = source.partition("://")
    scheme = scheme.lower()
    if not separator:
        return _path(Path(source).expanduser(), source)
    shown = redact(source)
    if scheme in ("http", "https"):
        parts = _split(source, shown)
        name = unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.hostname or ""
        return Address("http", urlunsplit(parts._replace(fragment="")), shown, name)
    if scheme == "file":
        parts = _split(source, shown)
        if parts.netloc not in ("", "localhost"):
            raise Refusal("a file:// URL names a file of this machine", where=shown, mend="write file:///folder/file")
        return _path(Path(unquote(parts.path)), source)
    if scheme == "s3":
        bucket, _, key = rest.rpartition("@")[2].partition("/")
        if not bucket or (not key and not rest.endswith("/")):
            raise Refusal(
                "an s3:// URL names a bucket and an object",
                where=shown,
                mend="write s3://bucket/folder/file, or s3://bucket/folder/ of part files",
            )
        return Address("s3", f"{bucket}/{key}", f"s3://{bucket}/{key}", key.rstrip("/").rpartition("/")[2])
    if scheme == "artifact":
        from components.common.base.artifact_ref import parse_ref

        wanted = parse_ref(rest)
        return Address("artifact", str(wanted), f"artifact://{wanted}", wanted.name)
    if scheme == "sample":
        return Address("sample", rest, source, rest)
    raise Refusal(f"sources of the kind {scheme}:// are not known", where=shown, mend=nearest(scheme, SCHEMES))


def _path(path: Path, source: str) -> Address:
    return Address("path", str(path.absolute()), source, path.name)


def _split(source: str, shown: str):
    try:
        parts = urlsplit(source)
        parts.port  # noqa: B018 - reading it checks it
    except ValueError as error:
        raise Refusal(f"not a URL ({error})", where=shown) from None
    if parts.scheme.lower() != "file" and not parts.hostname:
        raise Refusal("the URL names no host", where=shown)
    return parts
