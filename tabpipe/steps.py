"""The steps: what tabpipe knows of each, read from the `step.toml` in its folder."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from components.common.base.errors import Refusal, nearest
from tabpipe.project import ROOT

FILE = "step.toml"
"""The file's name. A folder under components/ that has one is a step."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step, as its `step.toml` describes it; docs/new-step.md says what each key means."""

    name: str
    """Its folder's name, and its image's."""
    order: int
    """Its place among the steps on the screen."""
    pipelines: tuple[str, ...]
    """The pipelines that it is part of: train, score."""
    tasks: dict[str, str] = field(default_factory=dict)
    """Pipeline to the step's name in it, where that is not its folder's."""
    cluster_only: bool = False
    """Whether only a run on a cluster has it."""
    section: str = ""
    """The class of its argument, in components/common/config/STEP.py."""
    given: dict[str, str] = field(default_factory=dict)
    """Field of its argument to what it is in `UseCase.arguments`, where that has another name."""
    reads_addresses: bool = False
    """Whether it reads what the config names by address: the source, a declared reference."""
    decides: bool = False
    """Whether its outputs depend on the champion at that moment, not on the run alone."""
    scores: str = ""
    """The split that its metrics are of; empty where they are not of a model."""
    estimator: bool = False
    """Whether it loads models, and so hangs on the package of the estimator that the config names."""
    files: tuple[str, ...] = ()
    """Files of the project that it reads by their paths rather than imports."""
    preload: tuple[str, ...] = ()
    """Modules that the warm process imports for it, in the order in which they are worth having."""
    needs: tuple[str, ...] = ()
    """Those of them that must be imported before the step is started."""
    notes: dict[str, str | list[str]] = field(default_factory=dict)
    """Value among its outputs to what the screen says unless that is zero; of two texts the second is for several."""


@functools.cache
def steps(root: Path = ROOT) -> dict[str, Step]:
    """Name to step, in the order of the screen.

    Args:
        root: The project.

    Raises:
        Refusal: A `step.toml` that is not TOML, or has a key that does not exist.
    """
    found = [_read(path) for path in root.glob(f"components/*/{FILE}")]
    return {step.name: step for step in sorted(found, key=lambda step: (step.order, step.name))}


def tasks(pipeline: str, on_cluster: bool = False) -> list[str]:
    """The steps of a pipeline by their names in it, in the order of the screen.

    Args:
        pipeline: train or score.
        on_cluster: Whether those are included that only a cluster has.
    """
    wanted = [step for step in steps().values() if pipeline in step.pipelines]
    return [step.tasks.get(pipeline, step.name) for step in wanted if on_cluster or not step.cluster_only]


@functools.cache
def by_task() -> dict[str, Step]:
    """Name in any pipeline to step."""
    return {step.tasks.get(pipeline, step.name): step for step in steps().values() for pipeline in step.pipelines}


def decides(task: str) -> bool:
    """Whether a step of this name depends on the champion at that moment, not on the run alone."""
    return task in by_task() and by_task()[task].decides


def wanted_by(use_case: object, names: Iterable[str]) -> list[str]:
    """The steps among some that a config asks for: all but those whose optional section it leaves out."""
    return [name for name in names if getattr(use_case, name, name) is not None]


def _read(path: Path) -> Step:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise Refusal(f"not readable: {error}", where=str(path)) from None
    known = Step.__dataclass_fields__
    for name in values:
        if name not in known:
            raise Refusal(f"there is no key {name!r}", where=str(path), mend=nearest(name, known))
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Step(name=path.parent.name, **values)
