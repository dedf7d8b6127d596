"""The estimators that a config can name, made with the hyperparameters that it gives."""

from __future__ import annotations

import importlib
import inspect
from numbers import Real
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import (
    InvalidParameterError,
    RealNotInt,
    make_constraint,
    validate_parameter_constraints,
)

from components.common.base.errors import Refusal, nearest
from components.common.config import TrainArgument
from components.common.config.hyperparameters import refuse_unknown, refuse_unknown_early

NAMED = {
    "random_forest": ("sklearn.ensemble.RandomForestClassifier", "sklearn.ensemble.RandomForestRegressor"),
    "hist_gradient_boosting": (
        "sklearn.ensemble.HistGradientBoostingClassifier",
        "sklearn.ensemble.HistGradientBoostingRegressor",
    ),
    "linear": ("sklearn.linear_model.LogisticRegression", "sklearn.linear_model.Ridge"),
}
"""Name to the import paths of its classifier and its regressor."""
ALLOWED = frozenset(
    {
        "sklearn.discriminant_analysis",
        "sklearn.dummy",
        "sklearn.ensemble",
        "sklearn.gaussian_process",
        "sklearn.kernel_ridge",
        "sklearn.linear_model",
        "sklearn.naive_bayes",
        "sklearn.neighbors",
        "sklearn.neural_network",
        "sklearn.svm",
        "sklearn.tree",
    }
)
"""Modules whose public estimators may be named by their import path."""
DEFAULTS = {("linear", "classification"): {"max_iter": 1000}}
"""Where scikit-learn's own default seldom serves: logistic regression mostly needs more than 100 iterations."""
_N_JOBS_WITHOUT_EFFECT = frozenset({"LogisticRegression"})


def estimator_class(model: str, task: str) -> type[BaseEstimator]:
    """Finds the class of a named model or of an import path.

    Args:
        model: `train.model`.
        task: classification or regression.

    Raises:
        Refusal: The name is unknown, the path is not on the allow-list, or the estimator does not fit the task.
    """
    refuse_unknown_early(model, task, ())
    path = NAMED[model][task == "regression"] if model in NAMED else model
    module, _, name = path.rpartition(".")
    if module not in ALLOWED:
        raise Refusal(
            "not on the list of estimators",
            where="train.model",
            value=model,
            rule="Module.Class, with a module of " + ", ".join(sorted(ALLOWED)),
            mend=nearest(module, ALLOWED),
        )
    mixin = ClassifierMixin if task == "classification" else RegressorMixin
    home = importlib.import_module(module)
    public = {one: found for one, found in vars(home).items() if _is_estimator(found, module)}
    fitting = [one for one, found in public.items() if issubclass(found, mixin)]
    if name not in fitting:
        raise Refusal(
            f"no estimator for {task}" if name in public else f"{module} has no such estimator",
            where="train.model",
            value=model,
            rule=f"a public estimator that fits the task {task}",
            mend=nearest(name, fitting),
        )
    return public[name]


def make_estimator(section: TrainArgument) -> BaseEstimator:
    """Makes the estimator that a section asks for, unfitted, with seed and, where it has it, all processors.

    Raises:
        Refusal: The model or a hyperparameter is not accepted.
    """
    found = estimator_class(section.model, section.task)
    known = inspect.signature(found).parameters
    # One that is null and unknown belonged to another model, which an override has taken the place of.
    given = {name: value for name, value in section.hyperparameters.items() if value is not None or name in known}
    refuse_unknown(section.model, given, known)
    needed = [name for name, parameter in known.items() if parameter.default is inspect.Parameter.empty]
    if needed:
        raise Refusal(
            f"needs {' and '.join(needed)}, which a config cannot give",
            where="train.model",
            value=section.model,
            rule="an estimator that stands alone",
        )
    constraints = getattr(found, "_parameter_constraints", {})
    values = dict(DEFAULTS.get((section.model, section.task), {}))
    for name, value in given.items():
        values[name] = as_accepted(value, constraints.get(name, "no_validation"))
        _refuse_unaccepted(name, values[name], constraints, found.__name__)
    if "random_state" in known:
        values["random_state"] = section.seed
    if "n_jobs" in known and found.__name__ not in _N_JOBS_WITHOUT_EFFECT:
        values.setdefault("n_jobs", -1)
    return found(**values)


def as_accepted(value: Any, constraints: Any) -> Any:
    """Takes whole numbers written as floats (200.0), as a client that knows no integers sends them.

    Where the estimator takes the float it stays one: 1.0 of a `max_features` means all of them, 1 means one. Lists of
    whole numbers (the `hidden_layer_sizes` of a neural network) become integers unless reals are asked for.

    Args:
        value: The hyperparameter's value.
        constraints: scikit-learn's constraints of that parameter.
    """
    if constraints == "no_validation":
        return value
    checks = [make_constraint(constraint) for constraint in constraints]
    if isinstance(value, float) and value.is_integer():
        return value if any(check.is_satisfied_by(value) for check in checks) else int(value)
    takes_reals = any(getattr(check, "type", None) in (Real, RealNotInt) for check in checks)
    if isinstance(value, list) and not takes_reals and all(isinstance(v, float) and v.is_integer() for v in value):
        return [int(v) for v in value]
    return value


def _refuse_unaccepted(name: str, value: Any, constraints: dict[str, Any], caller: str) -> None:
    try:
        validate_parameter_constraints(constraints, {name: value}, caller_name=caller)
    except InvalidParameterError as error:
        rule = str(error).partition(" must be ")[2].rpartition(". Got ")[0]
        raise Refusal(
            f"not accepted by {caller}",
            where=f"train.{name}",
            value=value,
            rule=f"must be {rule}" if rule else str(error),
        ) from None


def _is_estimator(found: Any, module: str) -> bool:
    """Whether a member of a module is a public estimator of its own."""
    return (
        isinstance(found, type)
        and issubclass(found, BaseEstimator)
        and found.__module__.startswith(module)
        and not found.__name__.startswith("_")
    )
