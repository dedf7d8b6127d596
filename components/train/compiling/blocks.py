"""The fitted transformer of features, noted as plain numbers and words."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from components.train.compiling.not_compiled import NotCompiled
from components.train.feature_block import origins


def noted_blocks(block: ColumnTransformer) -> dict[str, Any]:
    """Notes what `feature_block` made and fitted.

    Args:
        block: A fitted transformer of `feature_block`.

    Returns:
        width (features) and blocks: of each part its kind, its columns, where its features begin, what it learnt, and
        `origins`, pairs of a feature and the column that it is made of.

    Raises:
        NotCompiled: The features are sparse: as dense ones they would be larger than is sensible.
    """
    if block.sparse_output_:
        raise NotCompiled("its features are sparse")
    of = origins(block)
    noted = []
    for name, fitted, columns in block.transformers_:
        part = block.output_indices_[name]
        if part.stop == part.start:
            continue
        kind = name.partition("_")[0]
        names = [columns] if isinstance(columns, str) else list(columns)
        noted.append(
            {
                "kind": kind,
                "columns": names,
                "at": part.start,
                "origins": [[at, of[at]] for at in range(part.start, part.stop)],
                **(_text(fitted) if isinstance(fitted, TfidfVectorizer) else _of_pipeline(kind, fitted)),
            }
        )
    return {"width": len(of), "blocks": noted}


def _text(fitted: TfidfVectorizer) -> dict[str, Any]:
    words = sorted(fitted.vocabulary_, key=fitted.vocabulary_.get)
    return {
        "vocabulary": words,
        "idf": fitted.idf_.tolist(),
        "binary": fitted.binary,
        "ngrams": fitted.ngram_range[1],
        "lowercase": fitted.lowercase,
    }


def _of_pipeline(kind: str, fitted: Any) -> dict[str, Any]:
    steps = fitted.named_steps if isinstance(fitted, Pipeline) else {}
    imputer = steps.get("impute")
    if kind == "categorical":
        fill = [None] * steps["encode"].n_features_in_ if imputer is None else imputer.statistics_
        return {"fill": [None if value is None else str(value) for value in fill], **_of_encoder(steps["encode"])}
    found: dict[str, Any] = {"impute": None, "mean": None, "scale": None}
    if isinstance(imputer, SimpleImputer):
        found["impute"] = imputer.statistics_.tolist()
        if imputer.indicator_ is not None:
            found["indicators"] = imputer.indicator_.features_.tolist()
    if isinstance(scaler := steps.get("scale"), StandardScaler):
        found["mean"], found["scale"] = scaler.mean_.tolist(), scaler.scale_.tolist()
    if kind == "date":
        days = steps["days"]
        found["latest"], found["parts"] = days.latest_.tolist(), days.parts_
        found["median"] = days.median_.tolist() if days.fill else None
    return found


def _of_encoder(encoder: OneHotEncoder | OrdinalEncoder | TargetEncoder) -> dict[str, Any]:
    """A fitted encoder; a missing value that is a category of its own stands last among them, and is noted apart."""
    categories = [[str(value) for value in values if value == value] for values in encoder.categories_]
    if isinstance(encoder, OneHotEncoder):
        rare = encoder.infrequent_categories_ if encoder.min_frequency else [None] * len(categories)
        few = [[] if values is None else [str(value) for value in values] for values in rare]
        return {"encode": "onehot", "categories": categories, "rare": few}
    if isinstance(encoder, OrdinalEncoder):
        native = encoder.unknown_value != -1
        return {"encode": "native" if native else "ordinal", "categories": categories}
    other = np.atleast_1d(encoder.target_mean_).tolist()
    # Of each column (categories, outputs): the encoder lists one array for each output of each column.
    outputs = len(other)
    means = [np.column_stack(encoder.encodings_[at * outputs :][:outputs]) for at in range(len(categories))]
    return {
        "encode": "target",
        "categories": categories,
        "means": [table[: len(names)].tolist() for table, names in zip(means, categories, strict=True)],
        "missing": [
            table[-1].tolist() if len(table) > len(names) else other
            for table, names in zip(means, categories, strict=True)
        ],
        "other": other,
    }
