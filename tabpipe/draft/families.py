"""Columns of a wide table that are declared together, by a pattern of their names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from components.common.config.patterns import fitting_columns
from tabpipe.draft.profile import Profile

_WIDE = 200
"""Columns that are named one by one; a table of more is declared by patterns."""
_LEAST = 10
"""Columns of a family."""


def families(columns: Sequence[Profile], target: str) -> dict[str, list[Profile]]:
    """Find the patterns that stand for most columns of a wide table.

    Args:
        columns: All columns of the table.
        target: The one that is named by itself.

    Returns:
        Pattern to the kept columns that it stands for, all of one kind; nothing for a table that is not wide. No
        pattern fits a column without values, which no run accepts.
    """
    kept = [one for one in columns if not one.left_out and one.name != target]
    if len(kept) <= _WIDE:
        return {}
    empty = [one.name for one in columns if not one.given]
    found: dict[str, list[Profile]] = {}
    sizes = Counter((_stem(one.name), one.kind) for one in kept)
    for (stem, kind), size in sizes.most_common():
        pattern = f"{stem}*"
        if stem and size >= _LEAST and pattern not in found and not _fitting(pattern, empty):
            found[pattern] = [one for one in kept if _stem(one.name) == stem and one.kind == kind]
    rest = _rest(kept, found)
    if len(rest) > _WIDE and not empty:
        kind = Counter(one.kind for one in rest).most_common(1)[0][0]
        found["*"] = [one for one in rest if one.kind == kind]
    return found if len(_rest(kept, found)) < len(kept) else {}


def fitting(patterns: Sequence[str], columns: Sequence[Profile]) -> list[Profile]:
    """Return the columns whose names fit one of the patterns."""
    names = [one.name for one in columns]
    found = {name for fitting in fitting_columns(patterns, names).values() for name in fitting}
    return [one for one in columns if one.name in found]


def _fitting(pattern: str, names: Sequence[str]) -> list[str]:
    return fitting_columns([pattern], names)[pattern]


def _rest(kept: Sequence[Profile], found: dict[str, list[Profile]]) -> list[Profile]:
    taken = {one.name for members in found.values() for one in members}
    return [one for one in kept if one.name not in taken]


def _stem(name: str) -> str:
    return re.sub(r"[0-9]+$", "", name) if "*" not in name else ""
