"""What there is to predict: the task of a target, and the columns that a table is likely made for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal, shorten
from tabpipe.draft import names

if TYPE_CHECKING:
    from components.common.config.base import Task
    from tabpipe.draft.profile import Profile

_MOST_LABELS = 10
"""Whole numbers with at most this many different ones may be labels."""
_EVEN = 3
"""Labels are mostly about as frequent as each other: counts and marks are not."""
_SHOWN = 8
"""So many classes are shown with their shares."""
_LEAST_OF_CLASS = 2
"""Rows that a class has on average at least."""


def decide_task(target: Profile, where: str) -> tuple[Task, str]:
    """Decide on the task, and on the kind of the target.

    Args:
        target: The column to predict, totalled up.
        where: What to call the table in a refusal.

    Returns:
        The task, and why.

    Raises:
        Refusal: Nothing can be learnt of it.
    """
    counts = target.classes
    if counts is not None and len(counts) < 2:
        raise Refusal(
            "the target is the same in every row" if counts else "the target has no value in any row",
            where=f"{where}, column {target.name}",
            value=next(iter(counts), None),
            rule="at least two different values",
            mend="name another column by --target",
        )
    if target.kind == "date":
        raise Refusal(
            "the target is a date",
            where=f"{where}, column {target.name}",
            value=target.example(),
            rule="a class or a number is predicted",
            mend="make a number of it, such as the days until then, or name another column by --target",
        )
    if counts is not None and len(counts) == 2:
        target.kind = "categorical"
        return "classification", f"two values: {_shares(target)}"
    if target.kind == "numerical":
        return _of_numbers(target)
    if counts is None or len(counts) * _LEAST_OF_CLASS > target.given:
        raise Refusal(
            "the target's values hardly ever repeat",
            where=f"{where}, column {target.name}",
            value=f"{target.distinct:,} different texts in {target.given:,} rows, such as {target.example()!r}",
            rule=f"a class has {_LEAST_OF_CLASS} rows or more on average, and a number is written as one",
            mend="name another column by --target",
        )
    return "classification", f"{len(counts)} classes: {_shares(target)}"


def _of_numbers(target: Profile) -> tuple[Task, str]:
    """Numbers measure or count, unless they are labels such as 1, 2, 3."""
    counts = target.classes or Counter()
    if not counts or len(counts) > 3 * _MOST_LABELS or not all(value.lstrip("-").isdigit() for value in counts):
        return "regression", "numbers"
    values = sorted(map(int, counts))
    shown = f"{len(values)} whole numbers from {values[0]} to {values[-1]}"
    consecutive = values == list(range(values[0], values[0] + len(values))) and values[0] in (-1, 0, 1)
    even = consecutive and len(values) <= _MOST_LABELS and max(counts.values()) <= _EVEN * min(counts.values())
    if names.has(target.name, "count") or not (even or names.has(target.name, "class")):
        return "regression", f"{shown}: counts or marks"
    target.kind = "categorical"
    why = "by its name" if names.has(target.name, "class") else "about equally frequent"
    return "classification", f"{shown}, labels ({why}): {_shares(target)}"


def _shares(target: Profile) -> str:
    """The classes with their shares, the most frequent first; of many the ends."""
    counts = (target.classes or Counter()).most_common()
    shown = [f"{shorten(name, 40)} {count / target.given:.1%}" for name, count in counts]
    return ", ".join(shown if len(shown) <= _SHOWN else [*shown[: _SHOWN - 2], "…", shown[-1]])


def likely_targets(columns: Sequence[Profile], most: int = 5) -> list[tuple[str, str]]:
    """Name the columns that a table is likely made to predict, the likeliest first, with the reason.

    Args:
        columns: All columns.
        most: How many to name.
    """
    scored = []
    for at, column in enumerate(columns):
        reasons = {
            "its name": 3 * names.has(column.name, "target"),
            "two values": 2 * (column.distinct == 2),
            f"{column.distinct} values": int(2 < column.distinct <= _MOST_LABELS),
            "the last column": int(at == len(columns) - 1),
            "numbers": int(column.kind == "numerical" and column.distinct > _MOST_LABELS) / 2,
        }
        if not column.left_out and column.kind in ("categorical", "numerical"):
            words = ", ".join(reason for reason, points in reasons.items() if points)
            scored.append((-sum(reasons.values()), at, column.name, words))
    return [(name, words) for *_, name, words in sorted(scored)[:most]]


def refuse_no_target(columns: Sequence[Profile], where: str) -> Refusal:
    """Word that no target was named."""
    found = likely_targets(columns)
    return Refusal(
        "which column is to be predicted?",
        where=where,
        value="likely are " + "; ".join(f"{name} ({why})" for name, why in found) if found else None,
        rule="--target names a column",
        mend=f"for instance --target {found[0][0]!r}" if found else "no column of this table looks like one",
    )
