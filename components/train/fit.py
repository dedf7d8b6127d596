"""From typed columns to a fitted estimator: a named one, or what `auto` has chosen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sklearn.base import clone
from threadpoolctl import threadpool_limits

from components.common.base.errors import Refusal
from components.train.choice import MOST_ROWS, Choice, blended
from components.train.feature_block import feature_block, native_features, target_type
from components.train.features import Plan
from components.train.models import OTHER_ERRORS, make_estimator, wrapped
from components.train.styles import Style, resolved, style_of, takes_categories
from components.train.transformers import of_one_thread

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.compose import ColumnTransformer

    from components.common.config.train import TrainArgument


@dataclass(frozen=True)
class Recipe:
    """How a model is made, before it has seen any row."""

    styles: list[tuple[Style, bool]]
    """Of each set of features its style, and whether the estimator takes categories as they are."""
    sparse: bool
    """Whether the estimator accepts sparse features."""
    make: Callable[[ColumnTransformer], Any]
    """From the fitted transformer of features to the unfitted estimator."""


@dataclass(frozen=True)
class Fitted:
    """A fitted transformer of features and the estimator that was fitted on what it makes."""

    plan: Plan
    """What becomes features, without `auto`; of a blend, those of its first member."""
    block: ColumnTransformer
    estimator: Any


def named_recipe(section: TrainArgument, transformers: ModuleType) -> Recipe:
    """The recipe of a model that has a name or an import path."""
    estimator = wrapped(make_estimator(section), section, transformers)

    def make(block: ColumnTransformer) -> Any:
        native = native_features(block)
        return clone(estimator).set_params(categorical_features=native) if native else clone(estimator)

    sparse = bool(estimator.__sklearn_tags__().input_tags.sparse)
    return Recipe([(style_of(estimator), takes_categories(estimator))], sparse, make)


def chosen_recipe(choice: Choice, section: TrainArgument, transformers: ModuleType) -> Recipe:
    """The recipe of what `auto` has chosen."""
    styles = [(one.style, takes_categories(one.estimator)) for one, _ in choice.members]
    return Recipe(styles, False, lambda block: blended(choice, block, len(styles), section.task, transformers))


def fit(
    recipe: Recipe, section: TrainArgument, plan: Plan, typed: pd.DataFrame, truth: np.ndarray, transformers: ModuleType
) -> Fitted:
    """Fits features and estimator.

    Args:
        recipe: How the model is made.
        section: What to train.
        plan: What becomes features.
        typed: The table that `Columns` made of the rows to learn from.
        truth: (rows,) their labels or values.
        transformers: What `shipped` returns.

    Raises:
        Refusal: The estimator or a setting of a feature does not allow it.
    """
    plans = [resolved(plan, style, native, typed) for style, native in recipe.styles]
    to = target_type(section.task, truth)
    block = feature_block(plans, transformers, typed, recipe.sparse, to, section.seed)
    try:
        # Sums of several threads differ in the last digit by their number. And of a table that is not large threads
        # wait for each other more than they work: on a busy machine that took ten times as long.
        with threadpool_limits(1, None if len(typed) <= MOST_ROWS else "blas"):
            made = block.fit_transform(typed, truth)
            estimator = recipe.make(block).fit(made, truth)
    except Exception as error:
        if not isinstance(error, ValueError | TypeError) and type(error).__name__ not in OTHER_ERRORS:
            raise
        raise Refusal(f"{section.model} cannot be fitted: {error}", where="train") from error
    return Fitted(plans[0], block, of_one_thread(estimator))


def settled(recipe: Recipe, fitted: Fitted) -> Recipe:
    """The recipe with the number of iterations at which a fitted boosting has stopped by itself."""
    if not type(fitted.estimator).__name__.startswith("HistGradientBoosting"):
        return recipe
    iterations = {"max_iter": fitted.estimator.n_iter_, "early_stopping": False}
    return Recipe(recipe.styles, recipe.sparse, lambda block: recipe.make(block).set_params(**iterations))
