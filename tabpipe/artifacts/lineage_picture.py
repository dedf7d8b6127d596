"""A lineage as a picture, in the look of the pipeline's."""

from __future__ import annotations

from html import escape

from components.common.artifacts.lineage import Lineage, Node
from components.common.reports.svg import fitted
from tabpipe.console import maker, moment, shape

BOX, HEIGHT, GAP_X, GAP_Y, MARGIN = 190, 56, 44, 20, 14
_SWEEPS = 4

_STYLE = (
    "rect{fill:#eef4fb;stroke:#3b6fa8;stroke-width:1.4}.source{fill:#f7f3e8;stroke:#a8863b}"
    ".unknown,.gone{fill:none;stroke-dasharray:5 4}.root{stroke-width:3}"
    "text{font:13px system-ui,sans-serif;fill:#16324f;text-anchor:middle}.small{font-size:11px;opacity:.75}"
    "path{fill:none;stroke:#7a93ad;stroke-width:1.6}"
    "@media(prefers-color-scheme:dark){rect{fill:#16283a;stroke:#6ea3dc}.source{fill:#33290f;stroke:#d9b25c}"
    ".unknown,.gone{fill:none}text{fill:#e3eefa}path{stroke:#7f9ab5}}"
)


def draw(graph: Lineage) -> str:
    """An SVG of a lineage: what something was made from stands to its left."""
    depth = _depths(graph.parents)
    columns: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in graph.nodes:
        columns[depth[name]].append(name)
    _untangle(columns, graph.parents)
    tallest = max(len(names) for names in columns)
    height = 2 * MARGIN + tallest * HEIGHT + (tallest - 1) * GAP_Y
    width = 2 * MARGIN + len(columns) * BOX + (len(columns) - 1) * GAP_X
    place: dict[str, tuple[float, float]] = {}
    for at, names in enumerate(columns):
        top = (height - len(names) * HEIGHT - (len(names) - 1) * GAP_Y) / 2
        for row, name in enumerate(names):
            place[name] = (MARGIN + at * (BOX + GAP_X), top + row * (HEIGHT + GAP_Y))
    edges = [_edge(place[parent], place[name]) for name in graph.nodes for parent in graph.parents[name]]
    boxes = [_box(*place[name], node, name == graph.root) for name, node in graph.nodes.items()]
    title = f"{graph.root}: what it was made from" if graph.direction == "up" else f"What was made from {graph.root}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(edges)}{''.join(boxes)}</svg>\n"
    )


def _depths(parents: dict[str, list[str]]) -> dict[str, int]:
    """How far from the left each node stands: right of all that it was made from. Circles are cut."""
    depth: dict[str, int] = {}
    for start in parents:
        open_: set[str] = set()
        stack = [start]
        while stack:
            name = stack[-1]
            waiting = [one for one in parents[name] if one not in depth and one not in open_]
            if name in depth or not waiting:
                stack.pop()
                depth.setdefault(name, 1 + max((depth[one] for one in parents[name] if one in depth), default=-1))
                open_.discard(name)
            else:
                open_.add(name)
                stack.append(waiting[0])
    return depth


def _untangle(columns: list[list[str]], parents: dict[str, list[str]]) -> None:
    """Orders each column by the middle of what its nodes are connected with, to and fro, so that few lines cross."""
    children: dict[str, list[str]] = {name: [] for name in parents}
    for name, before in parents.items():
        for parent in before:
            children[parent].append(name)
    for sweep in range(_SWEEPS):
        beside = parents if sweep % 2 == 0 else children
        rows = {name: row for names in columns for row, name in enumerate(names)}
        for names in columns if sweep % 2 == 0 else reversed(columns):
            middle = {
                name: sum(rows[one] for one in beside[name]) / len(beside[name]) if beside[name] else rows[name]
                for name in names
            }
            names.sort(key=middle.__getitem__)
            rows.update({name: row for row, name in enumerate(names)})


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x1, y1, x2, y2 = start[0] + BOX, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = (x1 + x2) / 2
    line = f"M{x1:g} {y1:g} C{bend:g} {y1:g} {bend:g} {y2:g} {x2:g} {y2:g}"
    return f'<path d="{line}"/><path d="M{x2 - 6:g} {y2 - 4:g} L{x2:g} {y2:g} L{x2 - 6:g} {y2 + 4:g}"/>'


def _box(x: float, y: float, node: Node, root: bool) -> str:
    kind = "gone" if node.version and node.version.removed else node.kind
    rows, hint = _words(node)
    middle = x + BOX / 2
    text = f'<text x="{middle:g}" y="{y + 24:g}">{escape(fitted(rows[0], BOX - 16, 13))}</text>'
    text += f'<text class="small" x="{middle:g}" y="{y + 42:g}">{escape(fitted(rows[1], BOX - 16, 11))}</text>'
    return (
        f'<g><title>{escape(hint)}</title><rect class="{kind}{" root" if root else ""}" x="{x:g}" y="{y:g}" '
        f'width="{BOX}" height="{HEIGHT}" rx="8"/>{text}</g>'
    )


def _words(node: Node) -> tuple[tuple[str, str], str]:
    """Two short lines for a box, and all for the pointer that rests on it."""
    one = node.version
    if one is None:
        if node.kind == "source":
            return (node.id.rstrip("/").rpartition("/")[2] or node.id, "source"), node.id
        return (node.id[:19] + "…", "of no artifact here"), node.id
    below = "removed" if one.removed else " · ".join(part for part in (shape(one), moment(one.created)[:10]) if part)
    hint = [one.ref, one.digest, shape(one), maker(one), one.made_by.get("commit", ""), moment(one.created)]
    return (one.ref, below), "\n".join(line for line in hint if line)
