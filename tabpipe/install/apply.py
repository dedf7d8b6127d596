"""Objects applied to a cluster, and what has changed by it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.kubectl import Failed, Kubectl, as_list, last_line

MANAGER = "tabpipe"
"""The name by which the cluster knows who owns the fields."""
_OF_THE_CLUSTER = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")


@dataclass
class Changes:
    """What an apply has done, by the names of the objects."""

    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        if not self.made and not self.changed:
            return f"nothing has changed: all {len(self.same)} objects are as they were"
        return f"{len(self.made)} objects made, {len(self.changed)} changed, {len(self.same)} as they were"

    def __iadd__(self, other: Changes) -> Changes:
        self.made += other.made
        self.changed += other.changed
        self.same += other.same
        return self


def apply(kubectl: Kubectl, objects: list[dict[str, Any]], force: bool = False) -> Changes:
    """Applies objects on the server's side.

    Args:
        kubectl: The cluster.
        objects: What shall be there.
        force: Whether to take over fields that something else has set otherwise.

    Raises:
        Refusal: The cluster does not take one, or a field belongs to something else.
    """
    wanted = as_list(objects)
    there = kubectl.items("get", "--filename", "-", "--ignore-not-found", stdin=wanted)
    before = {key(thing): thing for thing in there}
    for thing in objects:
        if thing["kind"] == "Job" and key(thing) in before and not within(thing["spec"], before[key(thing)]["spec"]):
            # What a Job runs cannot be changed.
            kubectl("delete", "job", thing["metadata"]["name"], "--namespace", thing["metadata"]["namespace"], "--wait")
    options = ["--server-side", f"--field-manager={MANAGER}", *(["--force-conflicts"] if force else [])]
    try:
        after = kubectl.items("apply", *options, "--filename", "-", stdin=wanted)
    except Failed as error:
        raise _refusal(kubectl, error.said) from None
    changes = Changes()
    for thing in after:
        old = before.get(key(thing))
        kind = changes.made if old is None else changes.same if _own(old) == _own(thing) else changes.changed
        kind.append(key(thing))
    return changes


def key(thing: dict[str, Any]) -> str:
    """An object as people name it: `deployment/mlflow`."""
    return f"{thing['kind'].lower()}/{thing['metadata']['name']}"


def _own(thing: dict[str, Any]) -> str:
    """What an object says, without what the cluster writes into it."""
    metadata = {name: value for name, value in thing["metadata"].items() if name not in _OF_THE_CLUSTER}
    rest = {name: value for name, value in thing.items() if name not in ("metadata", "status")}
    return json.dumps([metadata, rest], sort_keys=True)


def within(wanted: Any, present: Any) -> bool:
    """Whether all that is wanted is there; more may be, such as the values that the cluster puts in."""
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(within(value, present.get(name)) for name, value in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(present, list)
            and len(wanted) == len(present)
            and all(within(one, other) for one, other in zip(wanted, present, strict=True))
        )
    return wanted == present


def _refusal(kubectl: Kubectl, said: str) -> Refusal:
    where = f"context {kubectl.context}"
    if "conflict" in said:
        lines = [line.strip() for line in said.splitlines() if "conflict" in line or re.match(r"\s*(- )?\.", line)]
        return Refusal(
            "something else has set fields of the install otherwise:\n    " + "\n    ".join(lines[:12]),
            where=where,
            mend="undo that change, or take the fields over: make install ARGS=--force",
        )
    if "immutable" in said or "updates to statefulset spec" in said:
        return Refusal(
            f"what is on the cluster cannot be changed to this: {last_line(said)}",
            where=where,
            mend="delete the object (its volume stays) and install again",
        )
    return Refusal(f"the cluster does not take it: {said[-800:]}", where=where)
