"""How MLflow's pyfunc asks a model that has intervals: as any other, or with them by `params={"intervals": True}`.

MLflow's own loader of scikit-learn models passes no params on. This file travels inside such a model as its text, after
that of `inference.intervals` (see `saving`), and may import nothing else of the project.
"""

import json
from pathlib import Path

import numpy as np

from components.common.inference.intervals import Intervals


class WithIntervals:
    """A model as MLflow wraps it.

    Args:
        pipeline: The fitted pipeline.
        intervals: What adds intervals or sets to its answers.
    """

    def __init__(self, pipeline, intervals):
        self._pipeline, self._intervals = pipeline, intervals

    def get_raw_model(self):
        """Returns the fitted pipeline."""
        return self._pipeline

    def predict(self, data, params=None):
        """Answers rows.

        Args:
            data: A table with the columns of the signature.
            params: `intervals`, whether they are asked for.

        Returns:
            (rows,) predictions; with intervals a table with `prediction`, and `prediction_low` and `prediction_high`
            or, of a classifier, `prediction_set`, a list of classes.
        """
        import pandas as pd

        if not (params or {}).get("intervals"):
            return self._pipeline.predict(data)
        if self._intervals.classes is None:
            predicted = np.asarray(self._pipeline.predict(data), dtype="float64")
            ends = self._intervals.bounds(predicted)
            columns = {"prediction": predicted, "prediction_low": ends[:, 0], "prediction_high": ends[:, 1]}
        else:
            probabilities = self._pipeline.predict_proba(data)
            best = self._intervals.classes[probabilities.argmax(axis=1)]
            columns = {"prediction": best, "prediction_set": self._intervals.sets(probabilities)}
        return pd.DataFrame(columns, index=getattr(data, "index", None))


def _load_pyfunc(path):
    """Opens the model in a folder; MLflow calls it."""
    import mlflow.sklearn

    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    noted = json.loads((folder / "compiled" / "plan.json").read_text(encoding="utf-8"))
    return WithIntervals(mlflow.sklearn.load_model(str(folder)), Intervals(noted["intervals"], noted["classes"]))
