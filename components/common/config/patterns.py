"""Patterns of column names: where a config names columns, `f*` stands for all whose names fit."""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from components.common.base.errors import Refusal, some

Rule = TypeVar("Rule")


def is_pattern(name: str) -> bool:
    """Whether a name is a pattern, unless a table has a column of that very name."""
    return "*" in name


def rule_of(rules: Mapping[str, Rule], name: str) -> Rule | None:
    """Return the rule that a column has as far as a config alone tells: of its own name, else of the first pattern.

    Args:
        rules: Name or pattern to rule.
        name: The column.
    """
    if name in rules:
        return rules[name]
    return next((rule for key, rule in rules.items() if is_pattern(key) and _compiled(key).fullmatch(name)), None)


def fitting_columns(keys: Iterable[str], names: Collection[str], never: Collection[str] = ()) -> dict[str, list[str]]:
    """Find the columns that each key stands for.

    A key that is the name of a column stands for that column alone, whatever other keys the column fits; of several
    patterns that it fits the first one counts.

    Args:
        keys: Names and patterns.
        names: The columns, in the order of the table.
        never: Columns that no pattern stands for.

    Returns:
        Key to columns, in the order of both; none for a key that stands for no column.
    """
    keys, known = list(keys), set(names)
    found = {key: [key] if key in known else [] for key in keys}
    if patterns := [key for key in keys if key not in known and is_pattern(key)]:
        taken = {*keys, *never}
        for pattern in patterns:
            compiled = _compiled(pattern)
            found[pattern] = [name for name in names if name not in taken and compiled.fullmatch(name)]
            taken.update(found[pattern])
    return found


def expand(
    rules: Mapping[str, Rule], names: Collection[str], where: str, never: Collection[str] = ()
) -> dict[str, Rule]:
    """Put the columns of a table in the place of patterns.

    Args:
        rules: Name or pattern to rule. A name that the table lacks is handed on, for its step to refuse.
        names: The columns, in the order of the table.
        where: The field of the config that holds the rules.
        never: Columns that no pattern stands for.

    Returns:
        Column to rule in the order of the keys; at the place of a pattern its columns in the order of the table.

    Raises:
        Refusal: A pattern stands for no column.
    """
    found = fitting_columns(rules, names, never)
    for key in found:
        if not found[key] and is_pattern(key):
            raise _stands_for_none(key, found, names, where)
    return {name: rule for key, rule in rules.items() for name in found[key] or (key,)}


def kinds_of(columns: Mapping[str, Rule], names: Collection[str]) -> dict[str, Rule]:
    """Return the kinds of those columns of a table that are declared, in the order of the declarations."""
    return {name: columns[key] for key, fitting in fitting_columns(columns, names).items() for name in fitting}


def chosen(wanted: Iterable[str], names: Collection[str], where: str) -> list[str]:
    """Put columns in the place of patterns in a list; see `expand`."""
    return list(expand(dict.fromkeys(wanted), names, where))


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _stands_for_none(pattern: str, found: Mapping[str, list[str]], names: Collection[str], where: str) -> Refusal:
    fitting = set(filter(_compiled(pattern).fullmatch, names))
    keys = [key for key, columns in found.items() if not fitting.isdisjoint(columns)]
    if keys:
        return Refusal(
            f"no column is left for the pattern {pattern!r}",
            where=where,
            value=f"what fits it is taken by {some(keys)}",
            rule="a column's own name counts before any pattern, and of several patterns the first one",
            mend=f"put {pattern!r} before other patterns, or leave it out",
        )
    return Refusal(
        f"no column fits the pattern {pattern!r}",
        where=where,
        value=f"the columns are {some(names)}",
        rule="a pattern stands for at least one column; * is any number of characters",
        mend="correct it, or leave it out",
    )
