"""From a copy on this machine to a model that answers: opened, and asked once before it is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.common.base.errors import Refusal, shorten, some
from tabpipe_server.cache import Copy
from tabpipe_server.models import Served

if TYPE_CHECKING:
    from components.common.inference import Predictor


def loaded(copy: Copy) -> Predictor:
    """Opens a copy, and asks it its own example rows: what is slow the first time is done then.

    Raises:
        Refusal: It is damaged, of another kind, or refuses its own example.
    """
    from components.common.inference import load_predictor

    predictor = load_predictor(copy.folder)
    rows = predictor.example
    if rows:
        answered = predictor.answer({name: [row.get(name) for row in rows] for name in rows[0]}, len(rows))
        if answered.faults:
            fault = answered.faults[0]
            raise Refusal(
                "the model refuses its own example rows: its signature and what it was trained on do not agree",
                where=f"row {fault.row}, column {fault.column}",
                value=shorten(fault.value) if fault.value is not None else None,
                rule=fault.rule,
            )
    return predictor


def unfit(champion: Served | None, challenger: Served) -> str:
    """Why a challenger cannot be asked what the champion is asked; empty if it can."""
    if champion is None:
        return ""
    one, other = champion.predictor, challenger.predictor
    for what, mine, theirs in (("task", one.task, other.task), ("target", one.target, other.target)):
        if mine != theirs:
            return f"version {challenger.version} has another {what} than the champion: {theirs}, not {mine}"
    if one.intervals and not other.intervals:
        return f"version {challenger.version} has no intervals, which the champion may be asked for"
    new = [name for name in other.columns if name not in one.columns and name not in other.optional]
    if new:
        return f"version {challenger.version} needs columns that the champion is not asked with: {some(new)}"
    return ""
