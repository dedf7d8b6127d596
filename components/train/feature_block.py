"""The transformer from columns to features: scikit-learn's own parts, put together as a plan asks."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from components.train.features import Plan

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.base import Kind, Task

TargetType = Literal["binary", "multiclass", "continuous"]
_DENSE_BYTES = 256 << 20
"""Features are kept as a dense table up to this size: forests fit and answer faster on it."""


_FOLDS = 5


def target_type(task: Task, truth: np.ndarray) -> TargetType:
    """What (rows,) labels or values are to the encoder by targets, which would take counts for classes."""
    if task == "regression":
        return "continuous"
    return "binary" if len(set(truth)) == 2 else "multiclass"


def feature_block(
    plans: Sequence[Plan], transformers: ModuleType, typed: pd.DataFrame, takes_sparse: bool, to: TargetType, seed: int
) -> ColumnTransformer:
    """Makes the unfitted transformer from columns to features.

    Args:
        plans: What becomes features, without `auto`; the features of each plan follow those of the one before.
        transformers: What `shipped` returns.
        typed: The table that `Columns` made of the training rows.
        takes_sparse: Whether the estimator accepts sparse features.
        to: What the target is to the encoder by targets.
        seed: Seed of that encoder's folds.

    Returns:
        A transformer of such a table. Columns with equal settings share a block; a text column has one of its own.
    """
    width = sum(expected_width(plan, typed) for plan in plans)
    sparse = takes_sparse and width * len(typed) * 8 > _DENSE_BYTES
    blocks: dict[tuple, list[str]] = {}
    settings = {}
    for at, plan in enumerate(plans):
        for name, kind in plan.features.items():
            alone = name if kind == "text" else ""
            key = (at, kind, alone, *sorted(plan.settings[name].items()))
            blocks.setdefault(key, []).append(name)
            settings[key] = plan.settings[name]
    return ColumnTransformer(
        [
            (
                f"{key[1]}_{key[0]}_{at}",
                _block(key[1], settings[key], transformers, sparse, to, seed),
                names[0] if key[1] == "text" else names,
            )
            for at, (key, names) in enumerate(blocks.items())
        ],
        sparse_threshold=1.0 if sparse else 0.0,
        verbose_feature_names_out=False,
    )


def _block(
    kind: Kind, wanted: dict[str, Any], transformers: ModuleType, sparse: bool, to: TargetType, seed: int
) -> Any:
    if kind == "text":
        return TfidfVectorizer(
            binary=wanted["binary"],
            max_features=wanted["max_features"],
            ngram_range=(1, wanted["ngrams"]),
            lowercase=wanted["lowercase"],
        )
    impute = wanted["impute"]
    steps: list[tuple[str, Any]] = []
    if kind == "categorical":
        if impute != "none":
            fill = {"fill_value": "(missing)"} if impute == "constant" else {}
            steps.append(("impute", SimpleImputer(strategy=impute, **fill)))
        return Pipeline([*steps, ("encode", _encoder(wanted, sparse, to, seed))])
    if kind == "date":
        steps.append(("days", transformers.Dates(wanted["parts"], impute != "none")))
    elif impute != "none":
        steps.append(("impute", SimpleImputer(strategy=impute, add_indicator=wanted["indicator"])))
    if wanted["scale"]:
        steps.append(("scale", StandardScaler()))
    return Pipeline(steps) if steps else "passthrough"


def _encoder(wanted: dict[str, Any], sparse: bool, to: TargetType, seed: int) -> Any:
    if wanted["encode"] == "target":
        # fit_transform encodes each row by means of the other folds; what is served is the means of all rows.
        return TargetEncoder(target_type=to, cv=KFold(_FOLDS, shuffle=True, random_state=seed))
    if wanted["encode"] == "native":
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan, encoded_missing_value=np.nan)
    if wanted["encode"] == "ordinal":
        return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    if rare := wanted.get("rare"):
        return OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=rare, sparse_output=sparse)
    return OneHotEncoder(handle_unknown="ignore", sparse_output=sparse)


def origins(block: ColumnTransformer) -> list[str]:
    """The column that each feature comes from.

    Args:
        block: A fitted transformer of `feature_block`.

    Returns:
        (features,) column names.
    """
    found: list[str] = [""] * max(part.stop for part in block.output_indices_.values())
    for name, fitted, columns in block.transformers_:
        if name == "remainder":
            continue
        part = block.output_indices_[name]
        names = [columns] * (part.stop - part.start) if isinstance(columns, str) else _repeated(fitted, list(columns))
        found[part] = names
    return [str(name) for name in found]


def _repeated(fitted: Any, columns: list[str]) -> list[str]:
    """The column of each feature that a fitted block makes of several columns."""
    steps = getattr(fitted, "named_steps", {})
    if isinstance(encoder := steps.get("encode"), OneHotEncoder):
        rare = encoder.infrequent_categories_ if encoder.min_frequency else [None] * len(columns)
        counts = [
            len(values) - (0 if few is None else len(few) - 1)
            for values, few in zip(encoder.categories_, rare, strict=True)
        ]
        return list(np.repeat(columns, counts))
    if isinstance(encoder, TargetEncoder):
        return list(np.repeat(columns, len(encoder.encodings_) // len(columns)))
    if "days" in steps:
        return list(np.repeat(columns, [1 + len(parts) for parts in steps["days"].parts_]))
    if isinstance(imputer := steps.get("impute"), SimpleImputer) and imputer.indicator_ is not None:
        return [*columns, *(columns[at] for at in imputer.indicator_.features_)]
    return columns


def ranges(block: ColumnTransformer, plans: int) -> list[tuple[int, int]]:
    """Where the features of each plan begin and end in what a fitted block makes."""
    found = []
    for at in range(plans):
        mine = [part for name, part in block.output_indices_.items() if name.split("_")[1:2] == [str(at)]]
        found.append((min(part.start for part in mine), max(part.stop for part in mine)))
    return found


def native_features(block: ColumnTransformer) -> list[int]:
    """The places of the features that are categories, as numbers, in what a fitted block makes."""
    found: list[int] = []
    for name, fitted, _ in block.transformers_:
        encoder = getattr(fitted, "named_steps", {}).get("encode")
        if isinstance(encoder, OrdinalEncoder) and encoder.unknown_value != -1:
            part = block.output_indices_[name]
            found += range(part.start, part.stop)
    return found


def expected_width(plan: Plan, columns: pd.DataFrame) -> int:
    """About how many features a plan makes of a table that `Columns` made."""
    width = 0
    for name, kind in plan.features.items():
        if kind == "text":
            width += plan.settings[name]["max_features"]
        elif kind == "categorical" and plan.settings[name]["encode"] == "onehot":
            width += int(columns[name].nunique())
        else:
            width += 1
    return width
