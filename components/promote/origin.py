"""Whether two models were trained on the same source, whose rows change from one training to the next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from components.common.base.errors import Refusal
from components.common.storage.address import parse

_DATE = re.compile(
    r"(?<!\d)(?:19|20)\d\d"
    r"(?:[-_.]?(?:[01]\d(?:[-_.]?[0-3]\d)?|[WwQq]\d{1,2})|(?:/\d\d){1,2}(?=/))?(?!\d)"
)
"""A year, month, week, quarter or day in an address: 2024, 2024-01, 202401, 2024_01_31, 2024W05, 2024/01/."""


def other_source(candidate: str, champion: str, allowed: Sequence[str]) -> bool:
    """Finds out whether a model comes of another source than the champion.

    Addresses that differ in dates alone are one source, as are an artifact's versions and aliases.

    Args:
        candidate: The address that the candidate's rows were read from; empty where it is not known.
        champion: The champion's.
        allowed: Patterns of addresses (`*`, `?`, `[…]`) that may follow each other, whatever they are.
    """
    if not candidate or not champion:
        return False
    if all(any(_fits(address, pattern) for pattern in allowed) for address in (candidate, champion)):
        return False
    return _series(candidate) != _series(champion)


def _series(source: str) -> str:
    """What addresses of the same table have in common from one training to the next."""
    try:
        address = parse(source)
    except Refusal:  # of a scheme that this version does not know any more
        return source
    target = address.target.partition(":")[0] if address.kind == "artifact" else address.target.rstrip("/")
    return f"{address.kind} {_DATE.sub('{date}', target)}"


def _fits(source: str, pattern: str) -> bool:
    """Whether an address fits a pattern; a relative one fits the end of a path."""
    if fnmatchcase(source, pattern):
        return True
    relative = "://" not in pattern and not pattern.startswith("/")
    return relative and "://" not in source and fnmatchcase(source, f"*/{pattern.removeprefix('./')}")
