"""How two models differ in what they are asked with and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from components.common.base.errors import some

_MANY = 4
_PLURAL = {"column": "columns", "class": "classes"}


def differences(
    candidate: Any, champion: Any, candidate_classes: Sequence[str] | None, champion_classes: Sequence[str] | None
) -> list[str]:
    """Words what is new, gone and other.

    Args:
        candidate: Its signature, as MLflow has it.
        champion: The champion's.
        candidate_classes: The candidate's classes; None of a regressor.
        champion_classes: The champion's classes.

    Returns:
        One phrase per difference; none where both are asked with and answer the same. The order of columns is none, for
        they are asked for by name.
    """
    new, old = ({column.name: column for column in one.inputs} for one in (candidate, champion))
    found = _come_and_gone("column", list(new), list(old))
    for name in (name for name in new if name in old):
        if _type(new[name]) != _type(old[name]):
            found.append(f"{name}: {_type(new[name])}, was {_type(old[name])}")
        if new[name].required != old[name].required:
            words = ("required, was optional", "optional, was required")
            found.append(f"{name}: {words[not new[name].required]}")
    answers = [", ".join(_answer(column) for column in one.outputs or []) or "unknown" for one in (candidate, champion)]
    if answers[0] != answers[1]:
        found.append(f"answers are {answers[0]}, were {answers[1]}")
    return found + _come_and_gone("class", candidate_classes or [], champion_classes or [])


def _come_and_gone(what: str, new: Sequence[str], old: Sequence[str]) -> list[str]:
    mine, theirs = set(new), set(old)
    come, gone = [name for name in new if name not in theirs], [name for name in old if name not in mine]
    return _said(what, come, "new") + _said(what, gone, "gone")


def _said(what: str, names: list[str], how: str) -> list[str]:
    """A phrase each, or one for all where they are many."""
    if len(names) <= _MANY:
        return [f"{what} {name} is {how}" for name in names]
    return [f"{len(names):,} {_PLURAL[what]} are {how}: {some(names, _MANY)}"]


def _type(column: Any) -> str:
    found = _answer(column)
    return "text" if found == "string" else found.lower()


def _answer(column: Any) -> str:
    return getattr(column.type, "name", None) or str(column.type)
