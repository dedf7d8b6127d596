"""Reports for people: one HTML page that needs nothing else, readable from a file, an iframe and on paper.

Blocks are made by the functions below and put together by `page`. Whatever is not made by them is escaped, so that a
column called `<script>` is shown and not run.
"""

from __future__ import annotations

import html
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal

from components.common.base.files import written_whole
from components.common.base.numbers import written
from components.common.reports import style

_RUN = "<!-- run -->"
"""Where the facts of a run go."""
Kind = Literal["passed", "failed", "warning"]


class Markup(str):
    """HTML that is safe to stand in a page as it is."""

    __slots__ = ()


def escape(value: Any) -> str:
    """Text for HTML and SVG: markup escaped, control characters and lone surrogates replaced."""
    text = html.escape(str(value))
    if text.isprintable():
        return text
    text = text.encode("utf-8", "replace").decode()
    return "".join(c if c.isprintable() or c in "\n\t" or ord(c) >= 160 else "\N{REPLACEMENT CHARACTER}" for c in text)


def text(*paragraphs: Any) -> Markup:
    """Paragraphs of plain text."""
    return Markup("".join(f"<p>{_inline(paragraph)}</p>" for paragraph in paragraphs))


def verdict(kind: Kind, message: Any) -> Markup:
    """The banner that tells the outcome in one sentence."""
    sign = {"passed": "✓", "failed": "✕", "warning": "!"}[kind]
    return Markup(
        f'<p class="verdict {kind}" role="status"><i aria-hidden="true"><b>{sign}</b></i>'
        f"<span>{_inline(message)}</span></p>"
    )


def badge(kind: str, label: Any) -> Markup:
    """A small coloured label, for instance in a table's cell; kinds that are no outcome are grey."""
    return Markup(f'<span class="badge {escape(kind)}">{escape(label)}</span>')


def with_detail(value: Any, detail: Any) -> Markup:
    """A figure and, in smaller type below it, a remark."""
    small = f"<small>{_inline(detail)}</small>" if detail else ""
    return Markup(_inline(_shown(value)) + small)


def cards(values: Mapping[str, Any] | Iterable[tuple]) -> Markup:
    """Large figures side by side.

    Args:
        values: Name to value, or tuples (name, value) and (name, value, kind), where a kind colours the value.
    """
    items = values.items() if isinstance(values, Mapping) else values
    inner = "".join(
        f'<div class="card panel"><dt>{escape(name)}</dt>'
        f'<dd class="{escape(kind[0]) if kind else ""}">{_inline(_shown(value))}</dd></div>'
        for name, value, *kind in items
    )
    return Markup(f'<dl class="cards">{inner}</dl>')


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    *,
    numeric: Collection[str] | None = None,
    row_classes: Sequence[str] | None = None,
    most: int = 1000,
) -> Markup:
    """A table that a click on a column's head sorts.

    Args:
        columns: The heads.
        rows: The cells, row by row: text, numbers, or `Markup` made by `badge`.
        numeric: Heads of the columns set flush right; by default those that hold nothing but numbers and None.
        row_classes: One of passed, failed, warning, skipped or "" per row.
        most: Rows that are listed; a line below tells how many more there are.
    """
    rows = [list(row) for row in rows]
    if any(len(row) != len(columns) for row in rows):
        raise ValueError(f"every row needs {len(columns)} cells")
    if numeric is None:
        flush = [bool(rows) and all(row[i] is None or _is_number(row[i]) for row in rows) for i in range(len(columns))]
    else:
        flush = [column in numeric for column in columns]
    mark = [' class="num"' if right else "" for right in flush]
    head = "".join(
        f'<th scope="col"{m}><button type="button">{escape(c)}</button></th>'
        for c, m in zip(columns, mark, strict=True)
    )
    lines = []
    for at, row in enumerate(rows[:most]):
        pairs = zip(row, mark, strict=True)
        cells = "".join(f"<td{m}{_sort_key(cell)}>{_inline(_shown(cell))}</td>" for cell, m in pairs)
        kind = f' class="{escape(row_classes[at])}"' if row_classes and row_classes[at] else ""
        lines.append(f"<tr{kind}>{cells}</tr>")
    more = ""
    if len(rows) > most:
        words = f"and {len(rows) - most:,} more, which are not listed"
        more = f'<tfoot><tr class="skipped"><td colspan="{len(columns)}">{words}</td></tr></tfoot>'
    return Markup(
        f'<div class="scroll panel"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody>{more}'
        "</table></div>"
    )


def figure(svg: str, caption: Any = "", detail: Any = "", *, size: Literal["", "wide", "tall"] = "") -> Markup:
    """A chart of components.common.reports.charts with its caption.

    Args:
        svg: The chart; the one argument of this module that is taken as it is.
        caption: What it shows.
        detail: A remark in smaller type beside the caption.
        size: In a gallery, wide takes its whole width and tall the height of two others.
    """
    small = f"<small>{_inline(detail)}</small>" if detail else ""
    words = f"<figcaption>{_inline(caption)}{small}</figcaption>" if caption or detail else ""
    return Markup(f'<figure class="panel{f" {size}" if size else ""}">{words}{svg}</figure>')


def gallery(*figures: str, least: int = 300) -> Markup:
    """Figures in a grid of as many columns as the window has room for, each at least `least` pixels wide."""
    return Markup(f'<div class="gallery" style="--least:{int(least)}px">{"".join(map(_block, figures))}</div>')


def section(title: Any, *blocks: Any, note: Any = "") -> Markup:
    """A part of the page with a heading and a remark under it."""
    remark = f'<p class="note">{_inline(note)}</p>' if note else ""
    return Markup(f"<section><h2>{_inline(title)}</h2>{remark}{''.join(map(_block, blocks))}</section>")


def page(title: str, subtitle: str, *blocks: Any, facts: Mapping[str, Any] | None = None) -> str:
    """The whole page.

    Args:
        title: Heading and window title.
        subtitle: A line under the heading.
        blocks: What the functions of this module return; a plain string becomes an escaped paragraph.
        facts: Name to text: where the page comes from, such as the source of its rows.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{style.THEME}{style.PAGE}{style.CHART}</style></head>\n<body><main>"
        f'<header><h1>{_inline(title)}</h1><p class="sub">{_inline(subtitle)}</p>'
        f'<dl class="facts">{_RUN}{_facts(facts or {})}</dl></header>\n'
        + "\n".join(map(_block, blocks))
        + f"\n</main><script>{style.SCRIPT}</script></body></html>\n"
    )


def of_run(content: str, facts: Mapping[str, Any]) -> str:
    """A page with what only the run knows that keeps it, before its other facts.

    A step's page must not say in which run it was made: later runs take it from the cache, and whoever makes the run
    again must get the same page.

    Args:
        content: What `page` has made; any other document stays as it is.
        facts: Name to text.
    """
    return content.replace(_RUN, _facts(facts), 1)


def write_page(path: str | os.PathLike[str], content: str) -> None:
    """Writes a page; the file appears whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(content, encoding="utf-8")


def _facts(facts: Mapping[str, Any]) -> str:
    return "".join(
        f"<div><dt>{escape(name)}</dt><dd>{_inline(_shown(value))}</dd></div>" for name, value in facts.items()
    )


def _block(block: Any) -> str:
    return block if isinstance(block, Markup) else text(block) if block else ""


def _inline(value: Any) -> str:
    return value if isinstance(value, Markup) else escape(value)


def _shown(value: Any) -> Any:
    return value if isinstance(value, str) else written(value)


def _is_number(value: Any) -> bool:
    return not isinstance(value, (str, bool)) and hasattr(value, "__float__")


def _sort_key(value: Any) -> str:
    return f' data-v="{float(value)!r}"' if _is_number(value) else ""
