"""Trees as an ONNX graph that tells the leaf each of them ends in, and what their leaves hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.train.compiling.not_compiled import NotCompiled

_LARGEST_LEAF = 1 << 24
"""Leaves are told by number in float32, which is exact up to here."""
_OPSET, _ML_OPSET, _IR = 17, 3, 8


@dataclass(frozen=True)
class Tree:
    """One binary tree; node 0 is its root. A row goes left if its feature is at most the threshold."""

    left: np.ndarray
    """(nodes,) the left child, -1 of a leaf."""
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    """(nodes,) float64."""
    missing_left: np.ndarray
    """(nodes,) whether NaN goes left."""
    values: np.ndarray
    """(nodes, outputs) float64; only those of leaves count."""


@dataclass(frozen=True)
class Ensemble:
    """Trees and how their leaves become an answer."""

    trees: list[Tree]
    single: bool
    """Whether features are compared as float32."""
    note: dict[str, Any]
    """What `components.common.inference.estimators.Trees` wants to know."""

    @property
    def features(self) -> int:
        """How many features at least there are."""
        return 1 + max(int(tree.feature.max()) for tree in self.trees)


def ensemble_of(estimator: Any) -> Ensemble:
    """Reads a fitted ensemble.

    Raises:
        NotCompiled: It is none that is known here.
    """
    name = type(estimator).__name__
    if name in _FORESTS or name in _SINGLE:
        return _forest(estimator, [estimator] if name in _SINGLE else estimator.estimators_)
    if name in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        return _boosted(estimator)
    raise NotCompiled(f"{name} has no compiled form")


_FORESTS = ("RandomForestClassifier", "RandomForestRegressor", "ExtraTreesClassifier", "ExtraTreesRegressor")
_SINGLE = ("DecisionTreeClassifier", "DecisionTreeRegressor")


def _forest(estimator: Any, members: Sequence[Any]) -> Ensemble:
    if estimator.n_outputs_ != 1:
        raise NotCompiled("it has several outputs")
    trees = []
    for member in members:
        tree = member.tree_
        trees.append(
            Tree(
                tree.children_left,
                tree.children_right,
                tree.feature,
                tree.threshold,
                np.asarray(tree.missing_go_to_left, dtype=bool),
                tree.value[:, 0, :],
            )
        )
    link = "classes" if hasattr(estimator, "classes_") else "numbers"
    return Ensemble(trees, True, {"kind": "forest", "link": link, "single": True})


def _boosted(estimator: Any) -> Ensemble:
    classifier = hasattr(estimator, "classes_")
    if not classifier and estimator.loss not in ("squared_error", "absolute_error", "quantile"):
        raise NotCompiled(f"the loss {estimator.loss} has no compiled form")
    if getattr(estimator, "_preprocessor", None) is not None:
        raise NotCompiled("it encodes categories itself")
    trees = []
    for iteration in estimator._predictors:
        for predictor in iteration:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            if nodes["is_categorical"].any():
                raise NotCompiled("it splits by sets of categories")
            trees.append(
                Tree(
                    np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    nodes["feature_idx"].astype(np.int64),
                    nodes["num_threshold"].astype(np.float64),
                    nodes["missing_go_to_left"].astype(bool),
                    nodes["value"].astype(np.float64)[:, None],
                )
            )
    if not trees:
        raise NotCompiled("it has no trees")
    outputs = estimator.n_trees_per_iteration_
    link = "identity" if not classifier else "logistic" if outputs == 1 else "softmax"
    baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).ravel().tolist()
    note = {"kind": "boosted", "link": link, "single": False, "outputs": outputs, "baseline": baseline}
    return Ensemble(trees, False, note)


def leaves_of(ensemble: Ensemble) -> tuple[np.ndarray, list[int]]:
    """What all leaves hold, tree by tree, and where each tree's begin.

    Returns:
        (leaves, outputs) float64, and the offsets.
    """
    parts = [tree.values[tree.left < 0] for tree in ensemble.trees]
    offsets = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return np.ascontiguousarray(np.concatenate(parts), dtype=np.float64), [int(at) for at in offsets]


def graph(ensemble: Ensemble, width: int) -> bytes:
    """The ONNX model: `x` (rows, features) to `leaf` (rows, trees), the number of the leaf within its tree.

    Thresholds that are compared with float32 are rounded down to float32: `x <= threshold` then is true of the same x.

    Args:
        ensemble: The trees.
        width: How many features there are.

    Returns:
        The model, serialised; the same bytes for the same trees.
    """
    from onnx import TensorProto, helper

    held: dict[str, list[np.ndarray]] = {key: [] for key in _ATTRIBUTES}
    for number, tree in enumerate(ensemble.trees):
        leaf = tree.left < 0
        if leaf.sum() >= _LARGEST_LEAF:
            raise NotCompiled("a tree has more leaves than float32 counts")
        nodes, leaves = np.arange(len(leaf)), np.flatnonzero(leaf)
        threshold = np.where(leaf, 0.0, tree.threshold)
        rows = {
            "nodes_treeids": np.full(len(nodes), number),
            "nodes_nodeids": nodes,
            "nodes_featureids": np.where(leaf, 0, tree.feature),
            "nodes_truenodeids": np.where(leaf, 0, tree.left),
            "nodes_falsenodeids": np.where(leaf, 0, tree.right),
            "nodes_missing_value_tracks_true": np.where(leaf, False, tree.missing_left).astype(np.int64),
            "nodes_values": _rounded_down(threshold) if ensemble.single else threshold,
            "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ"),
            "target_treeids": np.full(len(leaves), number),
            "target_nodeids": leaves,
            "target_ids": np.full(len(leaves), number),
            "target_weights": np.arange(len(leaves), dtype=np.float64),
        }
        for key, values in rows.items():
            held[key].append(values)
    values = {key: np.concatenate(parts) for key, parts in held.items()}
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["leaf"],
        domain="ai.onnx.ml",
        n_targets=len(ensemble.trees),
        aggregate_function="SUM",
        post_transform="NONE",
    )
    node.attribute.extend(_attribute(key, one, ensemble.single) for key, one in values.items())
    number_type = TensorProto.FLOAT if ensemble.single else TensorProto.DOUBLE
    inputs = [helper.make_tensor_value_info("x", number_type, [None, width])]
    outputs = [helper.make_tensor_value_info("leaf", TensorProto.FLOAT, [None, len(ensemble.trees)])]
    opsets = [helper.make_opsetid("ai.onnx.ml", _ML_OPSET), helper.make_opsetid("", _OPSET)]
    model = helper.make_model(helper.make_graph([node], "trees", inputs, outputs), opset_imports=opsets, ir_version=_IR)
    return model.SerializeToString(deterministic=True)


def _attribute(name: str, values: np.ndarray, single: bool) -> Any:
    """One attribute of the node; the helper of onnx would look at each value for its type, which takes longer."""
    from onnx import AttributeProto, numpy_helper

    if values.dtype.kind == "U":
        return AttributeProto(name=name, type=AttributeProto.STRINGS, strings=values.astype("S").tolist())
    if values.dtype.kind in "iu":
        return AttributeProto(name=name, type=AttributeProto.INTS, ints=values.tolist())
    if single:
        return AttributeProto(name=name, type=AttributeProto.FLOATS, floats=values.astype(np.float32).tolist())
    tensor = numpy_helper.from_array(values.astype(np.float64), name=name)
    return AttributeProto(name=f"{name}_as_tensor", type=AttributeProto.TENSOR, t=tensor)


_ATTRIBUTES = (
    "nodes_treeids",
    "nodes_nodeids",
    "nodes_featureids",
    "nodes_truenodeids",
    "nodes_falsenodeids",
    "nodes_missing_value_tracks_true",
    "nodes_values",
    "nodes_modes",
    "target_treeids",
    "target_nodeids",
    "target_ids",
    "target_weights",
)


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """(n,) float64 to the largest float32 that is not above each."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return np.where(single.astype(np.float64) > values, np.nextafter(single, np.float32(-np.inf)), single)
