"""The fitted transformer of features, noted as plain numbers and words."""

from __future__ import annotations

from typing import Any

from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from components.train.compiling.not_compiled import NotCompiled
from components.train.features import origins


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
        kind = name.rpartition("_")[0]
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
    if kind == "categorical":
        encoder = steps["encode"]
        return {
            "encode": "onehot" if isinstance(encoder, OneHotEncoder) else "ordinal",
            "fill": [str(value) for value in steps["impute"].statistics_],
            "categories": [[str(value) for value in values] for values in encoder.categories_],
        }
    found: dict[str, Any] = {"impute": None, "mean": None, "scale": None}
    if isinstance(imputer := steps.get("impute"), SimpleImputer):
        found["impute"] = imputer.statistics_.tolist()
    if isinstance(scaler := steps.get("scale"), StandardScaler):
        found["mean"], found["scale"] = scaler.mean_.tolist(), scaler.scale_.tolist()
    if kind == "date":
        days = steps["days"]
        found["latest"], found["median"] = days.latest_.tolist(), days.median_.tolist()
    return found
