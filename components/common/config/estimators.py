"""The estimators that have a name, known without importing scikit-learn or any other library of theirs.

So a misspelt name or hyperparameter is refused before anything runs. A test holds `estimators.toml` against them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, nearest


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """A named estimator for one task; `estimators.toml` says what each field means."""

    path: str
    packages: tuple[str, ...] = ()
    seed: str = "random_state"
    threads: str = "n_jobs"
    wrapper: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    """Name to its rule; empty where scikit-learn has it."""

    @property
    def module(self) -> str:
        """The top-level module that has the class."""
        return self.path.partition(".")[0]


def _read(path: Path) -> dict[str, dict[str, Estimator]]:
    found: dict[str, dict[str, Estimator]] = {}
    for model, parts in tomllib.loads(path.read_text(encoding="utf-8")).items():
        both = parts.pop("both")
        found[model] = {task: _joined(both, own) for task, own in parts.items()}
    return found


def _joined(both: dict[str, Any], own: dict[str, Any]) -> Estimator:
    values = {**both, **own}
    hyperparameters: dict[str, str] = {}
    for part in (both, own):
        named = part.get("hyperparameters", {})
        hyperparameters |= named if isinstance(named, dict) else dict.fromkeys(named, "")
    values |= {"path": values.pop("class"), "packages": tuple(values.get("packages", ()))}
    return Estimator(**{**values, "hyperparameters": hyperparameters})


AUTO = "auto"
"""The name of no estimator: the step train chooses one."""
NAMED = _read(Path(__file__).with_suffix(".toml"))
"""Model and task to its estimator."""


def named(model: str, task: str) -> Estimator | None:
    """The named estimator for a task; None of an import path."""
    return NAMED.get(model, {}).get(task)


def packages_of(model: str) -> tuple[str, ...]:
    """The distributions, any of which has a model beyond scikit-learn; empty of all others."""
    return next((found.packages for found in NAMED.get(model, {}).values()), ())


def refuse_not_installed(model: str, where: str = "train") -> None:
    """Refuses a model whose library this environment lacks.

    Raises:
        Refusal: With the command that installs it.
    """
    found = next(iter(NAMED.get(model, {}).values()), None)
    if found is not None and found.packages and find_spec(found.module) is None:
        raise Refusal(
            f"{found.packages[0]} is not installed",
            where=f"{where}.model",
            value=model,
            rule="it is optional: `make run` needs only what comes with scikit-learn",
            mend=f"make estimator MODEL={model}",
        )


def refuse_unknown(
    model: str, names: Iterable[str], known: Iterable[str], where: str = "train", seed: str = "random_state"
) -> None:
    """Refuses a hyperparameter that the model does not have.

    Args:
        model: The model's name, for the message.
        names: The hyperparameters given.
        known: Those that it has.
        where: The section that they stand in.
        seed: The one that `train.seed` sets.

    Raises:
        Refusal: The first unknown one, with the nearest known one.
    """
    known = frozenset(known) - {seed}
    fixed = {name: value for one in NAMED.get(model, {}).values() for name, value in one.fixed.items()}
    for name in names:
        if name in (seed, "random_state"):
            raise Refusal(
                "set by the seed", where=f"{where}.{name}", rule="one seed for the model", mend=f"write {where}.seed"
            )
        if name in fixed:
            raise Refusal(f"always {fixed[name]} here", where=f"{where}.{name}", mend="leave it out")
        if name not in known:
            raise Refusal(
                f"{model} has no such hyperparameter",
                where=f"{where}.{name}",
                rule="only the estimator's own parameters are accepted",
                mend=f"{nearest(name, known)}; {where}.{name}=null takes one out that the YAML gives",
            )


def refuse_unknown_early(model: str, task: str, names: Iterable[str], where: str = "train") -> None:
    """Refuses, without the estimator's library, what can be known to be wrong of a model's name and hyperparameters.

    Args:
        model: `train.model`.
        task: classification or regression.
        names: The hyperparameters given.
        where: The section that they stand in.

    Raises:
        Refusal: An unknown model name, or an unknown hyperparameter of a named model. Those of an import path are
            checked by the step train.
    """
    if model == AUTO:
        for name in names:
            raise Refusal(
                "auto chooses the hyperparameters with the model",
                where=f"{where}.{name}",
                rule="hyperparameters are those of a named model",
                mend=f"name one, as {where}.model=hist_gradient_boosting, or leave {name} out",
            )
    elif found := named(model, task):
        refuse_unknown(model, names, found.hyperparameters, where, found.seed)
    elif not model.startswith("sklearn."):
        raise Refusal(
            "no such model",
            where=f"{where}.model",
            value=model,
            rule="a known name, or the import path of a scikit-learn estimator",
            mend=nearest(model, [AUTO, *NAMED]),
        )
