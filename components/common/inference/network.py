"""A neural network of scikit-learn, answered with numpy alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.common.inference.links import LINKS

FILE = "network.npz"
"""The file of a compiled network."""


class Network:
    """A multi-layer perceptron.

    Args:
        folder: Has `network.npz`: of each layer `weight` and its number, (inputs, outputs), and `bias` likewise; and
            `target`, the mean and the scale of the numbers that it learnt.
        plan: Its `activation` and `link`.
    """

    takes_missing, single = False, False

    def __init__(self, folder: Path, plan: Mapping[str, Any]):
        with np.load(folder / FILE, allow_pickle=False) as held:
            layers = range((len(held.files) - 1) // 2)
            self._layers = [(held[f"weight{at}"], held[f"bias{at}"]) for at in layers]
            self._mean, self._scale = held["target"]
        self._activate, self._finish = _ACTIVATIONS[plan["activation"]], LINKS[plan["link"]]

    def answer(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Estimator.answer`."""
        values = features
        for at, (weight, bias) in enumerate(self._layers):
            values = (self._activate(values) if at else values) @ weight + bias
        found, probabilities = self._finish(values)
        return (found, probabilities) if probabilities is not None else (found * self._scale + self._mean, None)


def _logistic(values: np.ndarray) -> np.ndarray:
    return 0.5 * (1.0 + np.tanh(0.5 * values))


_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda values: values,
    "logistic": _logistic,
    "relu": lambda values: np.maximum(values, 0.0),
    "tanh": np.tanh,
}
