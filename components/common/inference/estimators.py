"""What answers: trees walked by ONNX Runtime, a linear model, or the fitted scikit-learn estimator itself."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from components.common.inference.links import LINKS, MEAN, within

FOREST, VALUES, LINEAR = "trees.onnx", "leaves.npy", "linear.npz"
"""Files of a compiled estimator."""
_AT_ONCE = 128
"""Rows whose leaves are looked up at once: what they hold fits in a processor's cache."""
_SHARED = 48
"""From so many rows on, processors share them: it takes as long to wake a second one as to walk a few rows."""


class Estimator(Protocol):
    """Answers features."""

    takes_missing: bool
    """Whether features may be NaN."""
    single: bool
    """Whether features are cut to float32, and so must not be larger than that holds."""

    def answer(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Answers rows.

        Args:
            features: (rows, features) float64.

        Returns:
            (rows,) indices of classes, or numbers; and (rows, classes) probabilities, or None.
        """


class Trees:
    """A forest or a boosted ensemble.

    ONNX Runtime tells the leaf that each tree ends in, exactly; what the leaves hold is added up here in the library's
    own order and precision (float64, of XGBoost float32), so the answers are the library's bit by bit. Letting ONNX
    Runtime add them in float32 is no faster and is off by about 4e-7.

    Args:
        folder: Has `trees.onnx` and `leaves.npy`.
        plan: `offsets` of the trees in the leaves, `link`, `outputs`, `single`, `baseline`, and so on.
    """

    def __init__(self, folder: Path, plan: Mapping[str, Any]):
        self.single, self.takes_missing = plan["single"], plan.get("missing", True)
        self._leaves = np.load(folder / VALUES, allow_pickle=False)
        self._offsets = np.array(plan["offsets"], dtype=np.intp)
        self._finish: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
        if plan["kind"] == "forest":
            self._finish, self._baseline, self._outputs = MEAN[plan["link"]](len(self._offsets)), None, 0
        else:
            self._finish, self._outputs = LINKS[plan["link"]], plan["outputs"]
            self._baseline = np.array(plan["baseline"], dtype=self._leaves.dtype).reshape(1, 1, -1)
        self._session = _session(folder / FOREST)

    def answer(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Estimator.answer`."""
        if self.single:
            features = features.astype(np.float32)
        rows = len(features)
        if rows < _SHARED:
            return self._finish(self._sums(features).astype(np.float64, copy=False))
        size = min(_AT_ONCE, -(-rows // _processors()))
        parts = [features[first : first + size] for first in range(0, rows, size)]
        return self._finish(np.concatenate(list(_each(self._sums, parts))).astype(np.float64, copy=False))

    def _sums(self, features: np.ndarray) -> np.ndarray:
        """(rows, outputs): what the leaves of all trees hold, added up tree by tree."""
        leaves = self._session.run(None, {"x": features})[0]
        at = np.ascontiguousarray(leaves.T).astype(np.intp)
        at += self._offsets[:, None]
        values = self._leaves.take(at, axis=0, mode="clip")
        if self._baseline is None:
            return _added(values)
        steps = values
        if values.shape[2] != self._outputs:
            # (trees, rows, 1) as (iterations, outputs, rows): each output has a tree per iteration.
            steps = values.reshape(-1, self._outputs, len(features)).transpose(0, 2, 1)
        first = np.broadcast_to(self._baseline, (1, len(features), self._outputs))
        return _added(np.concatenate([first, steps]))


def _added(values: np.ndarray) -> np.ndarray:
    """(trees, rows, outputs) added up in the order of the trees; of a single line numpy would add pairs first."""
    return np.add.reduce(values, axis=0) if values[0].size > 1 else np.add.accumulate(values, axis=0)[-1]


class Linear:
    """A linear model: logistic regression, ridge and the like.

    Args:
        folder: Has `linear.npz` with `coef` (outputs, features) and `intercept` (outputs,).
        plan: Its `link`.
    """

    takes_missing, single = False, False

    def __init__(self, folder: Path, plan: Mapping[str, Any]):
        with np.load(folder / LINEAR, allow_pickle=False) as held:
            self._coef, self._intercept = np.ascontiguousarray(held["coef"].T), held["intercept"]
        self._finish = within(*plan["within"]) if plan["link"] == "logarithm" else LINKS[plan["link"]]

    def answer(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Estimator.answer`."""
        return self._finish(features @ self._coef + self._intercept)


class Blend:
    """Several compiled estimators, each with features of its own, and the weighted mean of their answers.

    Args:
        folder: Has a folder for each.
        plan: Its `members`: how each is opened, its `folder`, its features (`from`, `to`) and its `weight`.
    """

    takes_missing = True  # in the features of those that take them; the others' are filled

    def __init__(self, folder: Path, plan: Mapping[str, Any]):
        self._members = [
            (slice(one["from"], one["to"]), one["weight"], load_compiled(folder / one["folder"], one))
            for one in plan["members"]
        ]
        self.single = any(estimator.single for _, _, estimator in self._members)

    def answer(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Estimator.answer`."""
        total: Any = 0.0
        for part, weight, estimator in self._members:
            numbers, probabilities = estimator.answer(np.ascontiguousarray(features[:, part]))
            total = total + weight * (numbers if probabilities is None else probabilities)
        return (total, None) if total.ndim == 1 else (total.argmax(axis=1), total)


class Fitted:
    """The estimator as scikit-learn fitted it; asks it in the way that training scored it.

    Args:
        estimator: A fitted scikit-learn estimator.
    """

    single = False

    def __init__(self, estimator: Any):
        self._estimator = estimator
        self.takes_missing = bool(estimator.__sklearn_tags__().input_tags.allow_nan)

    def answer(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """See `Estimator.answer`."""
        return as_indices(self._estimator, features)


def as_indices(estimator: Any, features: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """A scikit-learn estimator's answers, classes by their index."""
    from components.common.inference.sklearn_predict import answers

    found = answers(estimator, features)
    if not hasattr(estimator, "classes_"):
        return found.predicted, None
    if found.probabilities is not None:
        return found.probabilities.argmax(axis=1), found.probabilities
    index = {str(name): at for at, name in enumerate(estimator.classes_)}
    return np.array([index[str(name)] for name in found.predicted], dtype=np.intp), None


def load_compiled(folder: Path, plan: Mapping[str, Any]) -> Estimator:
    """Opens a compiled estimator.

    Args:
        folder: Its files.
        plan: The part `estimator` of the plan.
    """
    if plan["kind"] == "blend":
        return Blend(folder, plan)
    if plan["kind"] == "network":
        from components.common.inference.network import Network

        return Network(folder, plan)
    return Linear(folder, plan) if plan["kind"] == "linear" else Trees(folder, plan)


@functools.cache
def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def _helpers(process: int) -> ThreadPoolExecutor:
    """Threads beside the one that asks. They are a process's own: a forked one has none of its parent's."""
    return ThreadPoolExecutor(max(1, _processors() - 1), thread_name_prefix="trees")


def _each(function: Callable[[np.ndarray], np.ndarray], parts: list[np.ndarray]) -> list[np.ndarray]:
    """Does parts at the same time, which ONNX Runtime allows; whoever asks does those that nobody has begun."""
    if len(parts) == 1 or _processors() == 1:
        return [function(part) for part in parts]
    futures = [_helpers(os.getpid()).submit(function, part) for part in parts[1:]]
    first = function(parts[0])
    rest = [function(part) if future.cancel() else future for future, part in zip(futures, parts[1:], strict=True)]
    return [first, *(one if isinstance(one, np.ndarray) else one.result() for one in rest)]


def _session(path: Path) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    # One row is answered by one thread, in microseconds: to wake others costs more. Whoever asks may share many rows.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
