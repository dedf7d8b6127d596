"""The model as scikit-learn has it, for what is not compiled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.inference.coerce import Typed
from components.common.inference.estimators import as_indices

if TYPE_CHECKING:
    from components.common.inference.plan import Plan


def load_fitted(folder: Path) -> Any:
    """The pipeline of a saved model, without MLflow, whose import takes longer than all else.

    Raises:
        Refusal: It cannot be loaded.
    """
    import cloudpickle
    import yaml

    try:
        flavor = yaml.safe_load((folder / "MLmodel").read_text())["flavors"]["sklearn"]
        with open(folder / flavor["pickled_model"], "rb") as file:
            return cloudpickle.load(file)
    except Exception as error:  # unpickling a damaged file raises anything
        raise Refusal(f"no model that can be loaded: {error}", where=str(folder)) from error


class Whole:
    """A whole pipeline, asked with a table.

    Args:
        pipeline: A fitted pipeline: columns, features, model.
        plan: Its columns.
    """

    takes_missing, single = True, False

    def __init__(self, pipeline: Any, plan: Plan):
        self._pipeline, self._kinds = pipeline, plan.columns

    def answer(self, columns: Mapping[str, Typed]) -> tuple[np.ndarray, np.ndarray | None]:
        """Answers typed columns.

        Raises:
            Refusal: scikit-learn refuses them; it does not say which row.
        """
        import pandas as pd

        table = pd.DataFrame({name: self._column(name, columns[name]) for name in self._kinds})
        try:
            return as_indices(self._pipeline[-1], self._pipeline[:-1].transform(table))
        except ValueError as error:
            raise Refusal(f"the model cannot answer: {error}", where="the rows") from error

    def _column(self, name: str, values: Typed) -> Any:
        if self._kinds[name] == "date":
            days = np.asarray(values, dtype=np.float64)
            stamps = np.full(len(days), np.datetime64("NaT"), dtype="datetime64[us]")
            there = ~np.isnan(days)
            stamps[there] = np.round(days[there] * 86_400_000_000).astype("int64").astype("datetime64[us]")
            return stamps
        return values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
