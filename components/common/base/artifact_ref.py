"""What artifacts, their aliases and their versions may be called, and how one is referred to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from components.common.base.errors import Refusal

SCHEME = "artifact://"
LATEST = "latest"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NUMBER = re.compile(r"v(0|[1-9][0-9]{0,6})")
_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_LONGEST_NAME, _LONGEST_ALIAS = 128, 64
_DISTRUST = "do not trust where it comes from: such a record is never written by tabpipe"
_RULE = "letters, digits, _ . and -, starting with a letter or digit, without .., at most {} characters"


@dataclass(frozen=True)
class Ref:
    """`NAME:WHAT`, taken apart; WHAT is an alias, `vN` or the start of a digest."""

    name: str
    what: str = LATEST

    def __str__(self) -> str:
        return f"{self.name}:{self.what}"

    @property
    def number(self) -> int | None:
        """N of `vN`."""
        match = _NUMBER.fullmatch(self.what)
        return int(match[1]) if match else None

    @property
    def digest(self) -> str | None:
        """The start of a digest, six digits at least."""
        return self.what if _DIGEST.fullmatch(self.what) else None


def parse_ref(text: str) -> Ref:
    """Takes `NAME`, `NAME:ALIAS`, `NAME:vN` or `NAME:DIGEST` apart, with or without `artifact://` before it.

    Raises:
        Refusal: It is none of these.
    """
    name, colon, what = text.removeprefix(SCHEME).partition(":")
    check_name(name)
    if colon and (len(what) > _LONGEST_ALIAS or not _NAME.fullmatch(what) or ".." in what):
        raise Refusal(
            "not a version of an artifact",
            where=text,
            rule="after the colon stands an alias, vN, or six digits or more of a digest",
            mend=f"for instance {name}:latest or {name}:v0",
        )
    return Ref(name, what or LATEST)


def check_name(name: str) -> str:
    """Gives back a name that artifacts may have.

    Raises:
        Refusal: They may not.
    """
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name) or ".." in name:
        raise Refusal("not a name for an artifact", value=name, rule=_RULE.format(_LONGEST_NAME), mend=_better(name))
    return name


def check_alias(alias: str) -> str:
    """Gives back an alias that a user may set.

    Raises:
        Refusal: It has characters that it may not have, or is reserved.
    """
    if len(alias) > _LONGEST_ALIAS or not _NAME.fullmatch(alias) or ".." in alias:
        raise Refusal("not an alias", value=alias, rule=_RULE.format(_LONGEST_ALIAS), mend=_better(alias))
    if alias == LATEST or re.fullmatch(r"v[0-9]+", alias) or _DIGEST.fullmatch(alias):
        raise Refusal(
            "this word is reserved",
            where="alias",
            value=alias,
            rule="latest moves by itself, vN is a version, six or more of 0-9a-f are a digest",
            mend="take another, for instance prod or reference",
        )
    return alias


def is_digest(text: str) -> bool:
    """Whether a text is a whole SHA-256 in hex."""
    return len(text) == 64 and bool(_DIGEST.fullmatch(text))


def check_digest(digest: Any, where: str) -> str:
    """Gives back a digest of a record that others may have written: it becomes a part of paths.

    Args:
        digest: What stands for a SHA-256.
        where: The record, for the message.

    Raises:
        Refusal: It is none.
    """
    if not isinstance(digest, str) or not is_digest(digest):
        raise Refusal("not a digest", where=where, value=digest, rule="a SHA-256 in 64 hex digits", mend=_DISTRUST)
    return digest


def check_filename(name: Any, where: str) -> str:
    """Gives back the name of a file out of a record that others may have written: it becomes a part of paths.

    Args:
        name: What stands for a name.
        where: The record, for the message.

    Raises:
        Refusal: It is none, but a path, which could lead anywhere.
    """
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Refusal(
            "not the name of a file", where=where, value=name, rule="a name without /, and not . or ..", mend=_DISTRUST
        )
    return name


def _better(name: str) -> str:
    mended = re.sub(r"[^A-Za-z0-9_.-]+|\.\.+", "_", name).strip("_.-")[:_LONGEST_ALIAS]
    return f"for instance {mended}" if mended else "for instance music_clean"
