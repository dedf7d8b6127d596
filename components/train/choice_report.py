"""The part of the report that says what `auto` chose, from what, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.common.base.numbers import written
from components.common.reports import html

if TYPE_CHECKING:
    from components.train.choice import Choice


def choice_section(choice: Choice) -> Any:
    """A table of the candidates with their errors and weights."""
    rows = [
        [
            one.candidate.name,
            one.candidate.settings,
            "–" if one.error is None else written(one.error),
            f"{one.weight:.0%}" if one.weight else "–",
        ]
        for one in choice.tried
    ]
    heads = ["candidate", "what it is", f"{choice.by} (less is better)" if choice.by else "error", "share"]
    return html.section("Choice of the model", html.table(heads, rows), note=choice.why)
