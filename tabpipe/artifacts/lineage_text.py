"""A lineage as a tree of text."""

from __future__ import annotations

from components.common.artifacts.lineage import Lineage, Node
from tabpipe.console import maker, moment, shape


def tree(graph: Lineage) -> list[str]:
    """Lines of a tree with the version that was asked for on top; what was shown before is not opened again."""
    after = graph.next
    seen: set[str] = set()
    lines: list[str] = []

    def add(name: str, first: str, rest: str) -> None:
        below = after.get(name, [])
        again = name in seen and bool(below)
        lines.append(f"{first}{words(graph.nodes[name])}{'  (see above)' if again else ''}")
        if name in seen:
            return
        seen.add(name)
        for at, other in enumerate(below):
            last = at == len(below) - 1
            add(other, rest + ("└─ " if last else "├─ "), rest + ("   " if last else "│  "))

    add(graph.root, "  ", "  ")
    if len(graph.nodes) == 1:
        lines.append(
            "  nothing is on record that it was made from" if graph.direction == "up" else "  nothing was made from it"
        )
    return lines


def words(node: Node) -> str:
    """A node on one line."""
    if node.version is None:
        return node.id if node.kind == "source" else f"{node.id[:19]}…  of no artifact here"
    one = node.version
    gone = f"removed {moment(one.removed.get('at', ''))}" if one.removed else ""
    run = f"run {maker(one)}" if one.made_by.get("run") else one.made_by.get("step", "")
    return "  ".join(part for part in (one.ref, shape(one), one.digest[:12], run, moment(one.created), gone) if part)
