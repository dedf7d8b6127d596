"""What a model is asked with, as JSON: for the form page, and for whoever writes a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from components.common.inference import Predictor
    from tabpipe_server.models import Served

EXAMPLES = 5
"""So many rows of the model's example are offered."""
_CELLS = 1_000_000
"""Values that it is asked with at most, at once."""
_REFUSED: WeakKeyDictionary[Predictor, set[str]] = WeakKeyDictionary()
"""Of each model in place what `_null_refused` found: pages are asked for again and again, a model answers the same."""


def signature_of(served: Served) -> dict[str, Any]:
    """The signature of a served model.

    Args:
        served: The model with its name, version and role.

    Returns:
        name, version, role, task, target, classes (None in a regression) and intervals (the share of rows that they
        hold for, None where there are none); columns, each with its name, kind, whether it is required, whether null is
        answered, the choices that training knew (None where none are known) and an example (None where missing);
        ignored, the columns that may be sent and are made anew; examples, whole rows.
    """
    predictor = served.predictor
    if predictor not in _REFUSED:
        _REFUSED[predictor] = _null_refused(predictor)
    refused = _REFUSED[predictor]
    rows = [{name: _plain(row.get(name)) for name in predictor.columns} for row in predictor.example[:EXAMPLES]]
    return {
        "name": served.name,
        "version": served.version,
        "role": served.role,
        "task": predictor.task,
        "target": predictor.target,
        "classes": None if predictor.classes is None else list(predictor.classes),
        "intervals": None if predictor.intervals is None else predictor.intervals.level,
        "columns": [
            {
                "name": name,
                "kind": kind,
                "required": name not in predictor.optional,
                "nullable": name not in refused,
                "choices": list(predictor.choices.get(name, ())) or None,
                "example": next((row[name] for row in rows if row[name] is not None), None),
            }
            for name, kind in predictor.columns.items()
        ],
        "ignored": list(predictor.derived),
        "examples": rows,
    }


def _null_refused(predictor: Predictor) -> set[str]:
    """The columns in which a null is refused; the model itself is asked, with its example, once."""
    if not predictor.example:
        return set()
    names, base = list(predictor.columns), predictor.example[0]
    always = {fault.column for fault in predictor.answer({name: [base.get(name)] for name in names}, 1).faults}
    if always or not names or not predictor.answer({name: [None] for name in names}, 1).faults:
        return always
    found = set()
    step = max(1, _CELLS // len(names))
    for first in range(0, len(names), step):  # a row for each column; of thousands not all at once
        gone = names[first : first + step]
        asked = {name: [None if name == one else _plain(base.get(name)) for one in gone] for name in names}
        found |= {gone[fault.row] for fault in predictor.answer(asked, len(gone)).faults}
    return found


def _plain(value: Any) -> Any:
    """A value that JSON has: None for NaN."""
    return None if value != value else value
