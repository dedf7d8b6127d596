"""Intervals of numbers and sets of classes that hold with a given share: what a model says of its own uncertainty.

They are conformal: worked out of answers to rows that the model was not fitted on (see `components.train.conformal`),
whatever the model is. This file travels inside models that have them, so it imports nothing but numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

LEEWAY = 2.0
"""How many times the asked share of rows may be missed of one class; of all rows no more than is asked."""


class Intervals:
    """Adds intervals or sets to answers.

    Args:
        noted: What the step train has noted: `level`; of a regression `edges` (of the predicted value), `low` and
            `high` (what is added to a prediction, for each part between edges); of a classification `least` (class to
            the least probability with which it is in a set) and `others` (that of a class that is not among them: a
            model that was fitted again on the validation rows may know more).
        classes: A classifier's classes in the order of its probabilities; None of a regressor.
    """

    def __init__(self, noted: Mapping[str, Any], classes: Sequence[str] | None):
        self.level = float(noted["level"])
        self.edges = np.asarray(noted.get("edges", ()), dtype="float64")
        self._low, self._high = (np.asarray(noted.get(end, ()), dtype="float64") for end in ("low", "high"))
        self.classes = None if classes is None else np.array(list(classes), dtype=object)
        least = [noted["least"].get(name, noted["others"]) for name in classes or ()]
        self._least = np.array(least, dtype="float64")

    def bounds(self, predicted: np.ndarray) -> np.ndarray:
        """(rows, 2) the lower and upper end of the interval of each prediction."""
        part = self.part(predicted)
        return np.column_stack([predicted + self._low[part], predicted + self._high[part]])

    def part(self, predicted: np.ndarray) -> np.ndarray:
        """(rows,) the number of the part of the predicted values that a prediction is in."""
        return np.searchsorted(self.edges, predicted, side="right")

    def members(self, probabilities: np.ndarray) -> np.ndarray:
        """(rows, classes) whether a class is in the set of a row; the most likely one always is."""
        inside = probabilities >= self._least
        if len(inside):
            inside[np.arange(len(inside)), probabilities.argmax(axis=1)] = True
        return inside

    def sets(self, probabilities: np.ndarray) -> list[list[str]]:
        """The set of each row, the most likely class first."""
        assert self.classes is not None
        inside, order = self.members(probabilities), np.argsort(-probabilities, axis=1, kind="stable")
        return [self.classes[ranked[member[ranked]]].tolist() for member, ranked in zip(inside, order, strict=True)]
