"""What `auto` means in the settings of features: it depends on the family of the estimator and on the column."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from components.common.base.errors import Refusal
from components.train.features import Plan

if TYPE_CHECKING:
    import pandas as pd

Style = Literal["boosting", "trees", "linear"]
MOST_NATIVE = 255
"""Most categories of a column that scikit-learn's histograms hold."""
_MOST_ONEHOT: dict[Style, int] = {"boosting": 0, "trees": 10, "linear": 100}
"""Columns with more categories are target encoded: a feature for each would drown the others, or memory."""
_FEWEST = 5
"""Values that a column has at least, so that boosting is given its missing ones as they are; and one row in 1,000."""


def style_of(estimator: Any) -> Style:
    """The family of an estimator, which decides what features suit it.

    Returns:
        boosting (takes missing values, needs no scale), trees (needs no scale), or linear: all others.
    """
    module = type(estimator).__module__
    own = module.startswith("sklearn.")
    if takes_categories(estimator) or (not own and estimator.__sklearn_tags__().input_tags.allow_nan):
        return "boosting"
    return "trees" if module.startswith(("sklearn.ensemble", "sklearn.tree")) else "linear"


def takes_categories(estimator: Any) -> bool:
    """Whether an estimator splits by sets of categories, given as numbers."""
    return "categorical_features" in estimator.get_params(deep=False)


def resolved(plan: Plan, style: Style, native: bool, columns: pd.DataFrame) -> Plan:
    """Puts a way in the place of each `auto`.

    Args:
        plan: What a section asks for.
        style: What `style_of` returns.
        native: What `takes_categories` returns.
        columns: What `Columns` made of the training rows.

    Raises:
        Refusal: A column is to be given to the model as it is, and the model or the column does not allow it.
    """
    settings = {}
    for name, kind in plan.features.items():
        given = plan.settings[name]
        if kind == "numerical":
            settings[name] = _numerical(given, style, columns[name])
        elif kind == "date":
            settings[name] = _filled(given, style, columns[name])
        elif kind == "categorical":
            settings[name] = _categorical(name, given, style, native, columns[name])
        else:
            settings[name] = given
    return replace(plan, settings=settings)


def known(plan: Plan, columns: pd.DataFrame) -> Plan:
    """Leaves out the columns that have no value in some of the training rows, of which nothing can be learnt there.

    Args:
        plan: What a section asks for.
        columns: What `Columns` made of those rows.
    """
    kept = {name: kind for name, kind in plan.features.items() if _has_value(columns[name], kind)}
    return replace(plan, features=kept or plan.features)


def _has_value(values: pd.Series, kind: str) -> bool:
    return bool(values.str.contains(r"\w\w").any() if kind == "text" else values.notna().any())


def _numerical(given: dict[str, Any], style: Style, values: pd.Series) -> dict[str, Any]:
    # A linear model cannot learn from the median alone that a value was missing; trees split it off.
    return _filled(given, style, values) | {"indicator": given["impute"] == "auto" and style == "linear"}


def _filled(given: dict[str, Any], style: Style, values: pd.Series) -> dict[str, Any]:
    impute = given["impute"]
    if impute == "auto":
        # scikit-learn's boosting fails where the rows that it makes its histograms of have no value of a column.
        rare = values.notna().sum() < max(_FEWEST, len(values) // 1000)
        impute = "none" if style == "boosting" and not rare else "median"
    return given | {"impute": impute, "scale": style == "linear" if given["scale"] == "auto" else given["scale"]}


def _categorical(name: str, given: dict[str, Any], style: Style, native: bool, values: pd.Series) -> dict[str, Any]:
    distinct = int(values.nunique())
    encode, impute, rare = given["encode"], given["impute"], 0
    if encode == "auto":
        if style == "boosting" and distinct <= MOST_NATIVE:
            encode = "native" if native else "ordinal"
        else:
            encode = "onehot" if distinct <= _MOST_ONEHOT[style] else "target"
        if encode == "onehot" and style == "linear":
            rare = max(3, min(10, len(values) // 100))
    elif encode == "native":
        where = f"train.features, column {name}"
        if not native:
            raise Refusal("the model does not take categories as they are", where=where, rule="onehot or target")
        if distinct > MOST_NATIVE:
            rule = f"at most {MOST_NATIVE} categories, or encode: target"
            raise Refusal("too many categories for native", where=where, value=distinct, rule=rule)
    if impute == "auto":
        impute = "none" if encode in ("native", "target") else "constant"
    return {"impute": impute, "encode": encode, **({"rare": rare} if rare else {})}
