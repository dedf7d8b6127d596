"""A draft as a table on the screen, and as JSON."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TextIO

from components.common.base.errors import shorten

if TYPE_CHECKING:
    from tabpipe.draft.decisions import Draft
    from tabpipe.draft.profile import Profile

_SHOWN = 60
"""Columns that are shown; of more the first ones and those that are left out."""
_WIDTH = 120
"""Characters of a line where the screen does not say."""


def show(found: Draft, out: TextIO) -> None:
    """Print the decisions as a table, and what there is to be said beside it."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for head in ("column", "kind", "why", "missing", "distinct", "example"):
        table.add_column(head, justify="right" if head in ("missing", "distinct") else "left", overflow="fold")
    wanted = {one.name for one in found.columns if one.left_out or one.notes or one.name == found.target}
    others = [one.name for one in found.columns if one.name not in wanted]
    wanted.update(others[: max(0, _SHOWN - len(wanted))])
    shown = [one for one in found.columns if one.name in wanted]
    for one in shown[: 2 * _SHOWN]:
        kind = "left out" if one.left_out else f"{one.kind}, target" if one.name == found.target else one.kind
        missing = f"{one.missing / one.rows:.1%}" if one.missing else ""
        why, example = "; ".join([one.why, *one.notes]), shorten(one.example(), 30)
        cells = (one.name, kind, why, missing, f"{one.distinct:,}", example)
        table.add_row(*map(_plain, cells), style="dim" if one.left_out else None)
    console = Console(file=out, width=None if out.isatty() else int(os.environ.get("COLUMNS", _WIDTH)), highlight=False)
    console.print(table, soft_wrap=False)
    lines = [f"… and {len(found.columns) - len(shown):,} more columns"] * (len(shown) < len(found.columns))
    lines += [f"{name} is left out: it holds lists or records" for name in found.nested]
    for line in [*lines, "", *said(found)]:
        console.print(line, markup=False)


def _plain(cell: str) -> Any:
    from rich.text import Text

    return Text("".join(one if one.isprintable() else "?" for one in cell))


def said(found: Draft) -> list[str]:
    """What there is to be said of the whole table, a line each."""
    lines = [f"{found.rows:,} rows, {len(found.columns):,} columns"]
    if found.task:
        lines.append(f"{found.task} of {found.target}: {found.why}")
    if found.missing_targets:
        lines.append(f"{found.missing_targets:,} rows have no target and are removed")
    if found.equal_rows:
        share = f"{found.equal_rows / found.rows:.1%}"
        lines.append(f"{found.equal_rows:,} rows ({share}) equal an earlier one and are kept")
    return lines + [note for notes in found.notes.values() for note in notes]


def as_json(found: Draft) -> dict[str, Any]:
    """Return what is known of the table, as a JSON document."""
    return {
        "table": found.table,
        "rows": found.rows,
        "target": found.target or None,
        "task": found.task,
        "why": found.why,
        "missing_targets": found.missing_targets,
        "equal_rows": found.equal_rows,
        "reading": found.reading,
        "segregate": found.segregate,
        "notes": found.notes,
        "nested": found.nested,
        "columns": [_column(one) for one in found.columns],
    }


def _column(one: Profile) -> dict[str, Any]:
    return {
        "name": one.name,
        "kind": None if one.left_out else one.kind,
        "why": one.why,
        "left_out": bool(one.left_out),
        "missing": one.missing,
        "distinct": one.distinct,
        "example": one.example(),
        "range": one.span,
        "classes": one.classes,
        "way": one.way,
        "notes": one.notes,
    }
