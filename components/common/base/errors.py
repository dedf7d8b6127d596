"""The one kind of error that is the user's to mend: a refusal, worded so that they can."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Collection, Iterable, Sequence
from typing import Any


class Refusal(Exception):
    """An input that is not accepted, with all that is needed to mend it.

    Args:
        problem: What is wrong, in one sentence.
        where: File, column, config field or request that it is wrong in.
        value: The offending value, if there is one to show.
        rule: The rule that it breaks.
        mend: What the user can do about it.
    """

    def __init__(self, problem: str, *, where: str = "", value: Any = None, rule: str = "", mend: str = ""):
        self.problem, self.where, self.value, self.rule, self.mend = problem, where, value, rule, mend
        lines = [f"{where}: {problem}" if where else problem]
        if value is not None:
            lines.append(f"  value: {shorten(value)}")
        if rule:
            lines.append(f"  rule:  {rule}")
        if mend:
            lines.append(f"  mend:  {mend}")
        super().__init__("\n".join(lines))


def shorten(value: Any, limit: int = 200) -> str:
    """Shows a value on one line of at most `limit` characters."""
    text = value if isinstance(value, str) else repr(value)
    text = text.replace("\n", "\\n")
    return text if len(text) <= limit else text[: limit - 1] + "…"


def some(names: Collection[str], shown: int = 10) -> str:
    """Names in words: the first ones, and how many more there are."""
    words = ", ".join(list(names)[:shown])
    return words + (f" and {len(names) - shown:,} more" if len(names) > shown else "")


def nearest(name: str, known: Iterable[str]) -> str:
    """Words a suggestion: the known name nearest to a misspelt one, or a list of all."""
    names = sorted(known)
    return misspelt(name, names) or (f"known are: {some(names, 50)}" if names else "none is known")


def misspelt(name: str, known: Sequence[str]) -> str:
    """Words a suggestion where a known name is near to a misspelt one; empty where none is."""
    same = [other for other in known if other.lower() == name.lower()]
    close = same or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def no_space(error: OSError) -> str | None:
    """Words an error that comes of a full disk; None for any other error."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    where = f", writing {error.filename}" if error.filename else ""
    return (
        f"no space left on the disk{where}\n"
        "  mend:  free some, or set TABPIPE_HOME to a folder on another disk; results of earlier runs are unharmed"
    )


def innermost(error: BaseException) -> BaseException:
    """The reason at the bottom of an error of requests, urllib3 or what else wraps the errors of others."""
    while True:
        inner = (
            getattr(error, "reason", None)
            or error.__cause__
            or next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        )
        if not isinstance(inner, BaseException):
            return error
        error = inner
