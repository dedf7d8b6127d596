"""The hyperparameters of the models that have a name, known without importing scikit-learn.

So a misspelt one is refused before anything runs. A test keeps the lists equal to scikit-learn's signatures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from components.common.base.errors import Refusal, nearest

KNOWN: dict[str, dict[str, frozenset[str]]] = {
    model: {task: frozenset(names) for task, names in tasks.items()}
    for model, tasks in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8")).items()
}
"""Model and task to its hyperparameters; random_state is `train.seed`."""


def refuse_unknown(model: str, names: Iterable[str], known: Iterable[str], where: str = "train") -> None:
    """Refuses a hyperparameter that the model does not have.

    Args:
        model: The model's name, for the message.
        names: The hyperparameters given.
        known: Those that it has.
        where: The section that they stand in.

    Raises:
        Refusal: The first unknown one, with the nearest known one.
    """
    known = frozenset(known) - {"random_state"}
    for name in names:
        if name == "random_state":
            raise Refusal(
                "set by the seed", where=f"{where}.{name}", rule="one seed for the model", mend=f"write {where}.seed"
            )
        if name not in known:
            raise Refusal(
                f"{model} has no such hyperparameter",
                where=f"{where}.{name}",
                rule="only the estimator's own parameters are accepted",
                mend=f"{nearest(name, known)}; {where}.{name}=null takes one out that the YAML gives",
            )


def refuse_unknown_early(model: str, task: str, names: Iterable[str], where: str = "train") -> None:
    """Refuses, without scikit-learn, what can be known to be wrong of a model's name and its hyperparameters.

    Args:
        model: `train.model`.
        task: classification or regression.
        names: The hyperparameters given.
        where: The section that they stand in.

    Raises:
        Refusal: An unknown model name, or an unknown hyperparameter of a named model. Those of an import path are
            checked by the step train.
    """
    if model in KNOWN:
        refuse_unknown(model, names, KNOWN[model][task], where)
    elif not model.startswith("sklearn."):
        raise Refusal(
            "no such model",
            where=f"{where}.model",
            value=model,
            rule="a known name, or the import path of a scikit-learn estimator",
            mend=nearest(model, KNOWN),
        )
