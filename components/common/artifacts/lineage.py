"""What a version was made from and what was made from it, found by digests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from components.common.artifacts.store import Store
from components.common.artifacts.version import Version

Direction = Literal["up", "down"]


@dataclass(frozen=True)
class Node:
    """A version, a source that data came from, or an input that no artifact has the digest of."""

    id: str
    """`NAME:vN`, a URL or path, or `sha256:…`."""
    kind: Literal["version", "source", "unknown"]
    version: Version | None = None

    def shown(self) -> dict[str, Any]:
        """As the commands print it as JSON."""
        more = self.version.shown() if self.version else {}
        return {"id": self.id, "is": self.kind, **{key: value for key, value in more.items() if key != "ref"}}


@dataclass
class Lineage:
    """A graph of what came of what."""

    root: str
    direction: Direction
    nodes: dict[str, Node] = field(default_factory=dict)
    parents: dict[str, list[str]] = field(default_factory=dict)
    """A node to what it was made from, within this graph."""

    @property
    def next(self) -> dict[str, list[str]]:
        """A node to those that follow it, seen from the root."""
        if self.direction == "up":
            return self.parents
        after: dict[str, list[str]] = {node: [] for node in self.nodes}
        for node, before in self.parents.items():
            for parent in before:
                after[parent].append(node)
        return after

    def shown(self) -> dict[str, Any]:
        """As the commands print it as JSON."""
        edges = [{"from": parent, "to": node} for node, before in self.parents.items() for parent in before]
        nodes = [node.shown() for node in self.nodes.values()]
        return {"root": self.root, "direction": self.direction, "nodes": nodes, "edges": edges}


class Descent:
    """What came of what, among versions.

    Args:
        versions: All versions, removed ones too: lineage outlives the bytes.
    """

    def __init__(self, versions: Iterable[Version]):
        self.versions = {version.ref: version for version in versions}
        self._by_digest: dict[str, list[Version]] = defaultdict(list)
        for version in self.versions.values():
            self._by_digest[version.digest].append(version)

    def parents(self, version: Version) -> list[Node]:
        """What a version was made from. An input is every version that has its digest, or the one that it names.

        A step may leave a table as it is. Of versions with the same bytes, the one that was there first is the other's
        input, and not the other way round; and of such a chain the last is the input of what follows.
        """
        found: dict[str, Node] = {}
        for one in version.inputs:
            known = [other for other in self._by_digest[one.digest] if _may_precede(other, version)]
            named = [other for other in known if other.ref == one.ref]
            last = [
                other
                for other in known
                if not any(_may_precede(other, later) and one.digest in _digests(later) for later in known)
            ]
            for other in named or last:
                found[other.ref] = Node(other.ref, "version", other)
            if not known and one.digest != version.digest:
                unknown = f"sha256:{one.digest}"
                found[unknown] = Node(unknown, "unknown")
        if version.source:
            found[version.source] = Node(version.source, "source")
        return list(found.values())

    def ancestors(self, versions: Iterable[Version]) -> set[str]:
        """Refs of versions and of all that they came of."""
        seen: set[str] = set()
        waiting = [version.ref for version in versions]
        while waiting:
            ref = waiting.pop()
            if ref not in seen:
                seen.add(ref)
                waiting += [node.id for node in self.parents(self.versions[ref]) if node.version]
        return seen


def _may_precede(first: Version, second: Version) -> bool:
    """Whether one may be made from the other: of the same bytes, only the later one from the earlier one."""
    return first.digest != second.digest or (first.created, first.ref) < (second.created, second.ref)


def _digests(version: Version) -> set[str]:
    return {one.digest for one in version.inputs}


def lineage(store: Store, ref: str, direction: Direction = "up") -> Lineage:
    """What a version came of, back to its sources, or all that came of it.

    Args:
        store: The store.
        ref: The version.
        direction: `up` to what it came of, `down` to what came of it.

    Raises:
        Refusal: There is no such version.
    """
    root = store.resolve(ref)
    descent = Descent(store.everything())
    before = {one.ref: descent.parents(one) for one in descent.versions.values()}
    after: dict[str, list[Node]] = defaultdict(list)
    for child, nodes in before.items():
        for node in nodes:
            after[node.id].append(Node(child, "version", descent.versions[child]))
    follow = before if direction == "up" else after
    graph = Lineage(root.ref, direction)
    waiting = [Node(root.ref, "version", descent.versions.get(root.ref, root))]
    while waiting:
        node = waiting.pop(0)
        if node.id not in graph.nodes:
            graph.nodes[node.id] = node
            waiting += follow.get(node.id, [])
    graph.parents = {
        node: [parent.id for parent in before.get(node, []) if parent.id in graph.nodes] for node in graph.nodes
    }
    return graph
