"""The picture of a pipeline, drawn from its compiled form: what runs is what is shown."""

from __future__ import annotations

from html import escape

BOX, HEIGHT, GAP_X, GAP_Y, MARGIN = 118, 40, 34, 26, 14


def draw(parents: dict[str, list[str]], title: str) -> str:
    """An SVG of a pipeline, steps from left to right by their depth.

    Args:
        parents: Step to the steps whose outputs it reads.
        title: What the picture is called for those who cannot see it.
    """
    depth: dict[str, int] = {}

    def depth_of(step: str) -> int:
        if step not in depth:
            depth[step] = 1 + max((depth_of(parent) for parent in parents[step]), default=-1)
        return depth[step]

    columns: dict[int, list[str]] = {}
    for step in parents:
        columns.setdefault(depth_of(step), []).append(step)
    rows = max(len(steps) for steps in columns.values())
    place = {}
    for column, steps in columns.items():
        # The longest way goes straight on in the first row; shorter branches hang below it.
        for row, step in enumerate(sorted(steps, key=lambda step: -_reach(step, parents))):
            place[step] = (MARGIN + column * (BOX + GAP_X), MARGIN + row * (HEIGHT + GAP_Y))
    width = 2 * MARGIN + len(columns) * BOX + (len(columns) - 1) * GAP_X
    height = 2 * MARGIN + rows * HEIGHT + (rows - 1) * GAP_Y
    edges = [_edge(place[parent], place[step]) for step in parents for parent in _direct(step, parents)]
    boxes = [_box(*place[step], step) for step in parents]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>{''.join(edges)}{''.join(boxes)}</svg>\n"
    )


_STYLE = (
    "rect{fill:#eef4fb;stroke:#3b6fa8;stroke-width:1.4}"
    "text{font:13px system-ui,sans-serif;fill:#16324f;text-anchor:middle}"
    "path{fill:none;stroke:#7a93ad;stroke-width:1.6}"
    "@media(prefers-color-scheme:dark){rect{fill:#16283a;stroke:#6ea3dc}text{fill:#e3eefa}path{stroke:#7f9ab5}}"
)


def _reach(step: str, parents: dict[str, list[str]]) -> int:
    """How many steps follow a step on its longest way."""
    return max((1 + _reach(other, parents) for other, before in parents.items() if step in before), default=0)


def _direct(step: str, parents: dict[str, list[str]]) -> list[str]:
    """A step's parents, without those that it follows by way of another parent."""

    def behind(name: str) -> set[str]:
        return set(parents[name]).union(*(behind(parent) for parent in parents[name]))

    return [parent for parent in parents[step] if not any(parent in behind(other) for other in parents[step])]


def _edge(start: tuple[int, int], end: tuple[int, int]) -> str:
    x1, y1, x2, y2 = start[0] + BOX, start[1] + HEIGHT / 2, end[0], end[1] + HEIGHT / 2
    bend = (x1 + x2) / 2
    line = f"M{x1} {y1} C{bend} {y1} {bend} {y2} {x2} {y2}"
    return f'<path d="{line}"/><path d="M{x2 - 6} {y2 - 4} L{x2} {y2} L{x2 - 6} {y2 + 4}"/>'


def _box(x: int, y: int, step: str) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{HEIGHT}" rx="8"/>'
        f'<text x="{x + BOX / 2}" y="{y + HEIGHT / 2 + 4.5}">{escape(step)}</text>'
    )
