"""The hyperparameters of the models that have a name, known without importing scikit-learn.

So a misspelt one is refused before anything runs. A test keeps the lists equal to scikit-learn's signatures.
"""

from __future__ import annotations

from collections.abc import Iterable

from components.common.base.errors import Refusal, nearest

_FOREST = frozenset(
    {
        "bootstrap",
        "ccp_alpha",
        "criterion",
        "max_depth",
        "max_features",
        "max_leaf_nodes",
        "max_samples",
        "min_impurity_decrease",
        "min_samples_leaf",
        "min_samples_split",
        "min_weight_fraction_leaf",
        "monotonic_cst",
        "n_estimators",
        "n_jobs",
        "oob_score",
        "verbose",
        "warm_start",
    }
)
_HIST_GRADIENT_BOOSTING = frozenset(
    {
        "categorical_features",
        "early_stopping",
        "interaction_cst",
        "l2_regularization",
        "learning_rate",
        "loss",
        "max_bins",
        "max_depth",
        "max_features",
        "max_iter",
        "max_leaf_nodes",
        "min_samples_leaf",
        "monotonic_cst",
        "n_iter_no_change",
        "scoring",
        "tol",
        "validation_fraction",
        "verbose",
        "warm_start",
    }
)

KNOWN: dict[str, dict[str, frozenset[str]]] = {
    "random_forest": {"classification": _FOREST | {"class_weight"}, "regression": _FOREST},
    "hist_gradient_boosting": {
        "classification": _HIST_GRADIENT_BOOSTING | {"class_weight"},
        "regression": _HIST_GRADIENT_BOOSTING | {"quantile"},
    },
    "linear": {
        "classification": frozenset(
            {
                "C",
                "class_weight",
                "dual",
                "fit_intercept",
                "intercept_scaling",
                "l1_ratio",
                "max_iter",
                "n_jobs",
                "penalty",
                "solver",
                "tol",
                "verbose",
                "warm_start",
            }
        ),
        "regression": frozenset({"alpha", "copy_X", "fit_intercept", "max_iter", "positive", "solver", "tol"}),
    },
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
