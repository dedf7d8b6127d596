"""Which steps of a pipeline run, and which ones only lend the outputs of an earlier run."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

from components.common.base.errors import Refusal, nearest


@dataclass(frozen=True)
class Selection:
    """What a run does with each step."""

    run: frozenset[str]
    """Steps that run, or are served from the cache where nothing changed."""
    frozen: frozenset[str]
    """Steps before them, whose latest outputs are taken as they are."""
    whole: bool
    """Whether every step of the pipeline runs."""


def refuse_unknown(names: Iterable[str], known: Collection[str]) -> None:
    """Refuses a step that does not exist, with the nearest one that does."""
    for name in names:
        if name not in known:
            raise Refusal(f"there is no step {name!r}", where="command line", mend=nearest(name, known))


def select(parents: dict[str, list[str]], steps: list[str] | None, start: str | None) -> Selection:
    """Selects steps.

    Args:
        parents: Step to the steps whose outputs it reads.
        steps: Steps to run; all by default.
        start: A step to run together with all that follow it.

    Raises:
        Refusal: An unknown step.
    """
    refuse_unknown([*(steps or []), *([start] if start else [])], parents)
    if steps:
        run = frozenset(steps)
    elif start:
        run = frozenset(name for name in parents if start in _ancestors(name, parents) | {name})
    else:
        run = frozenset(parents)
    before = frozenset().union(*(_ancestors(name, parents) for name in run)) - run
    return Selection(run, before, whole=run == frozenset(parents))


def _ancestors(name: str, parents: dict[str, list[str]]) -> frozenset[str]:
    found: set[str] = set()
    queue = list(parents[name])
    while queue:
        parent = queue.pop()
        if parent not in found:
            found.add(parent)
            queue += parents[parent]
    return frozenset(found)


def parents_of(spec: Any) -> dict[str, list[str]]:
    """Step to the steps before it, of a compiled pipeline, in the order in which they can run."""
    # Neither tasks nor their dependencies have an order of their own: the message is a map.
    tasks = {name: sorted(task.dependent_tasks) for name, task in sorted(spec.root.dag.tasks.items())}
    ordered = TopologicalSorter(tasks).static_order()
    return {name.replace("-", "_"): [parent.replace("-", "_") for parent in tasks[name]] for name in ordered}


def prune(spec: Any, selection: Selection) -> None:
    """Takes the tasks that are neither run nor frozen out of a compiled pipeline."""
    for name in list(spec.root.dag.tasks):
        if name.replace("-", "_") not in selection.run | selection.frozen:
            del spec.root.dag.tasks[name]
