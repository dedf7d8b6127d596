"""Section `train`: features, model and its hyperparameters."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from pydantic import ConfigDict, Field

from components.common.config.base import Kind, Section, Task
from components.common.config.estimators import AUTO
from components.common.config.patterns import expand
from components.common.config.preprocess import Derive
from components.common.config.reading import Reading

Encoding = Literal["auto", "onehot", "ordinal", "native", "target"]


class NumericalFeatures(Section):
    """How numerical columns become features."""

    impute: Literal["auto", "median", "mean", "none"] = "auto"
    """What stands in for a missing value, learnt on the training split; none leaves it to the model, as auto does for
    gradient boosting. For linear models auto is the median, and a feature that says where a value was missing."""
    scale: bool | Literal["auto"] = "auto"
    """Centre and scale to unit variance; auto does so unless the model is made of trees."""


class CategoricalFeatures(Section):
    """How categorical columns become features. Unknown categories are served as such, not refused."""

    impute: Literal["auto", "most_frequent", "constant"] = "auto"
    """What stands in for a missing value; `constant` makes missing a category of its own, as auto does."""
    encode: Encoding = "auto"
    """One feature per category (onehot), one number per category (ordinal), up to 255 categories as they are (native:
    hist_gradient_boosting, lightgbm and xgboost), or the mean target of each category, cross-fitted (target)."""


class TextFeatures(Section):
    """How text columns become features: TF-IDF of their words."""

    max_features: int = Field(default=100, ge=1)
    """Words kept, the most frequent first."""
    binary: bool = True
    """Count a word once however often it stands in a text."""
    ngrams: int = Field(default=1, ge=1, le=5)
    """Longest sequence of words that counts as a term."""
    lowercase: bool = True
    """Fold upper and lower case."""


class DateFeatures(Section):
    """How dates become features: days before the latest training date, and parts of the calendar."""

    impute: Literal["auto", "median", "none"] = "auto"
    """What stands in for a missing date's features; none leaves it to the model."""
    scale: bool | Literal["auto"] = "auto"
    """Centre and scale to unit variance; auto does so unless the model is made of trees."""
    parts: bool = True
    """Whether year, month, day of the week (0 is Monday) and hour are features too, those of them that vary."""


OF_KIND: dict[str, type[Section]] = {
    "numerical": NumericalFeatures,
    "categorical": CategoricalFeatures,
    "text": TextFeatures,
    "date": DateFeatures,
}
"""The settings that a column of each kind takes."""


class ColumnFeatures(Section):
    """Settings of one column that differ from those of its kind."""

    impute: Literal["auto", "median", "mean", "none", "most_frequent", "constant"] | None = None
    scale: bool | Literal["auto"] | None = None
    encode: Encoding | None = None
    parts: bool | None = None
    max_features: int | None = Field(default=None, ge=1)
    binary: bool | None = None
    ngrams: int | None = Field(default=None, ge=1, le=5)
    lowercase: bool | None = None


class Features(Section):
    """Which columns become features, and how."""

    use: list[str] | None = None
    """Columns to use, patterns of names among them; by default all but identifiers, the target and texts that a join
    already holds."""
    numerical: NumericalFeatures = Field(default_factory=NumericalFeatures)
    categorical: CategoricalFeatures = Field(default_factory=CategoricalFeatures)
    text: TextFeatures = Field(default_factory=TextFeatures)
    date: DateFeatures = Field(default_factory=DateFeatures)
    columns: dict[str, ColumnFeatures] = Field(default_factory=dict)
    """Column, or pattern of names, to settings that differ from its kind's."""


class Train(Section):
    """The model. Every further key is a hyperparameter of its scikit-learn estimator."""

    model_config = ConfigDict(extra="allow")

    model: str = AUTO
    """auto (chosen for the table: a blend of boosting, forest and linear model, or boosting alone), random_forest,
    hist_gradient_boosting, linear (logistic or ridge), neural_network, lightgbm, xgboost, catboost, or an estimator's
    import path (sklearn.neighbors.KNeighborsClassifier)."""
    seed: int = Field(default=42, ge=0)
    """Seed of the model."""
    refit: bool = True
    """Whether the model that is served learns from the validation rows too, once it is scored on them."""
    features: Features = Field(default_factory=Features)
    """Which columns become features, and how."""
    intervals: float | None = Field(default=None, ge=0.5, lt=1)
    """The share of rows that intervals of numbers, or sets of classes, shall hold for, such as 0.9; none by default."""

    @property
    def hyperparameters(self) -> dict[str, Any]:
        """The estimator's own parameters: all keys that are no field of the section."""
        return dict(self.model_extra or {})


class TrainArgument(Train):
    """What the step train is handed."""

    target: str
    """The target column."""
    task: Task
    """classification or regression."""
    columns: dict[str, Kind]
    """The columns of the clean table, without the derived ones, or patterns of their names, and their kinds."""
    derive: dict[str, Derive] = Field(default_factory=dict)
    """Derived columns; the model makes them itself of what it is asked with."""
    fill: dict[str, Any] = Field(default_factory=dict)
    """Constants for missing values, which the model puts in itself, likewise."""
    reading: Reading = Field(default_factory=Reading)
    """How the table's file was read; it stays with the model, which reads later files and requests likewise."""
    group: str | None = None
    """The column whose equal values the splits keep together; the cross-validation of auto does so too."""

    def of_table(self, names: Collection[str]) -> TrainArgument:
        """Return the section with the columns of a table in the place of patterns.

        Args:
            names: The columns of the clean table.

        Raises:
            Refusal: A pattern stands for no column.
        """
        columns = expand(self.columns, [name for name in names if name not in self.derive], "columns")
        fill = expand(self.fill, columns, "preprocess.fill", never=[self.target])
        return self.model_copy(update={"columns": columns, "fill": fill})
