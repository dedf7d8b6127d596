"""Loading saved models, and the tables that they can be asked with."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, some

if TYPE_CHECKING:
    import pandas as pd


def load(path: str | os.PathLike[str]) -> tuple[Any, Any]:
    """Loads a saved model and its description from an MLflow model folder.

    Returns:
        The scikit-learn Pipeline and MLflow's description of it.

    Raises:
        Refusal: The folder is no MLflow model of scikit-learn.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    if not (Path(path) / "MLmodel").is_file():
        raise Refusal("no saved model", where=str(path), rule="a folder in MLflow's format, with a file MLmodel")
    import mlflow.sklearn
    from mlflow.exceptions import MlflowException
    from mlflow.models import Model

    try:
        return mlflow.sklearn.load_model(str(path)), Model.load(str(path))
    except MlflowException as error:
        raise Refusal(f"no model that can be loaded: {error.message}", where=str(path)) from error


def refuse_absent(description: Any, table: pd.DataFrame, model_path: str) -> None:
    """Refuses a test split that lacks a column which the model's signature requires."""
    if absent := absent_columns(description, table):
        raise Refusal(
            f"column(s) missing that the model needs: {some(absent)}",
            where="test split",
            rule=f"the signature of the model {model_path}",
            mend="evaluate on a split of the table that the model was trained on, or train anew",
        )


def absent_columns(description: Any, table: pd.DataFrame) -> list[str]:
    """The columns that the model's signature requires and the table lacks."""
    return [column.name for column in description.signature.inputs if column.required and column.name not in table]
