"""The estimators that a config can name, made with the hyperparameters that it gives."""

from __future__ import annotations

import importlib
import inspect
from numbers import Integral, Real
from types import ModuleType
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    RealNotInt,
    StrOptions,
    make_constraint,
    validate_parameter_constraints,
)

from components.common.base.errors import Refusal, nearest
from components.common.config.estimators import (
    Estimator,
    named,
    refuse_not_installed,
    refuse_unknown,
    refuse_unknown_early,
)
from components.common.config.train import TrainArgument

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
OTHER_ERRORS = ("CatBoostError", "LightGBMError")
"""What estimators raise besides ValueError and TypeError where they cannot be fitted."""
_KINDS: dict[str, Any] = {"null": None, "bool": "boolean", "text": str, "list": list, "mapping": dict}
_OF_NUMBERS, _NUMBERS = {"int": Integral, "real": Real}, {"int": int, "real": float}
_CLOSED = {"[]": "both", "[)": "left", "(]": "right", "()": "neither"}


def estimator_class(model: str, task: str) -> type[BaseEstimator]:
    """Finds the class of a named model or of an import path.

    Args:
        model: `train.model`.
        task: classification or regression.

    Raises:
        Refusal: The name is unknown, the path is not on the allow-list, or the estimator does not fit the task.
    """
    refuse_unknown_early(model, task, ())
    found = named(model, task)
    module, _, name = (found.path if found else model).rpartition(".")
    if found:
        refuse_not_installed(model)
        try:
            return getattr(importlib.import_module(module), name)
        except OSError as error:
            raise Refusal(
                f"its library cannot be loaded: {error}",
                where="train.model",
                value=model,
                mend="install OpenMP's: apt install libgomp1, or brew install libomp" if "omp" in str(error) else "",
            ) from error
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
    signature = inspect.signature(found).parameters
    spec = named(section.model, section.task) or Estimator(
        path=section.model, hyperparameters=dict.fromkeys(signature, "")
    )
    known = {*spec.hyperparameters, spec.seed} if spec.packages else {*signature}
    constraints = getattr(found, "_parameter_constraints", {})
    constraints = {**constraints, **{name: constraints_of(rule) for name, rule in spec.hyperparameters.items() if rule}}
    given = {
        name: value
        for name, value in section.hyperparameters.items()
        if value is not None or _takes_null(name, known, spec)
    }
    refuse_unknown(section.model, given, known, seed=spec.seed)
    needed = [name for name, one in signature.items() if one.default is one.empty and one.kind is not one.VAR_KEYWORD]
    if needed:
        raise Refusal(
            f"needs {' and '.join(needed)}, which a config cannot give",
            where="train.model",
            value=section.model,
            rule="an estimator that stands alone",
        )
    values = dict(spec.defaults)
    for name, value in given.items():
        values[name] = as_accepted(value, constraints.get(name, "no_validation"))
        _refuse_unaccepted(name, values[name], constraints, found.__name__)
    if spec.seed in known:
        values[spec.seed] = section.seed
    if spec.threads in known:
        values.setdefault(spec.threads, -1)
    return found(**values, **spec.fixed)


def wrapped(estimator: BaseEstimator, section: TrainArgument, transformers: ModuleType) -> BaseEstimator:
    """Puts around an estimator what makes it answer as scikit-learn's do, if it needs that.

    Args:
        estimator: What `make_estimator` returned.
        section: What it was made for.
        transformers: What `shipped` returns.
    """
    spec = named(section.model, section.task)
    return getattr(transformers, spec.wrapper)(estimator) if spec and spec.wrapper else estimator


def constraints_of(rule: str) -> list[Any]:
    """scikit-learn's constraints of a rule in `estimators.toml`: alternatives, with `|` in between."""
    found, words = [], set()
    for part in rule.split(" | "):
        kind, _, interval = part.partition(" ")
        if kind in _OF_NUMBERS:
            low, high = (interval or "(-inf, inf)").split(", ")
            ends = [None if "inf" in end else _NUMBERS[kind](end) for end in (low[1:], high[:-1])]
            found.append(Interval(_OF_NUMBERS[kind], *ends, closed=_CLOSED[low[0] + high[-1]]))
        elif part in _KINDS:
            found.append(_KINDS[part])
        else:
            words.add(part)
    return [*found, *([StrOptions(words)] if words else [])]


def _takes_null(name: str, known: set[str], spec: Estimator) -> bool:
    """Whether null is for the estimator: an unknown one belonged to another model, which an override took the place of.

    To the libraries beside scikit-learn null mostly is as good as nothing.
    """
    return name in known and (not spec.packages or "null" in spec.hyperparameters[name].split(" | "))


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
