"""Trees as an ONNX graph that tells the leaf each of them ends in, and what their leaves hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from components.train.compiling.not_compiled import NotCompiled

_LARGEST_LEAF = 1 << 24
"""Leaves are told by number in float32, which is exact up to here."""
_OPSET, _ML_OPSET, _IR = 17, 5, 9
_AT_MOST, _AMONG = 0, 6
"""ONNX's numbers of the questions `x <= threshold` and `x is one of`."""
_PLAIN_SUMS: dict[str, Any] = {"aggregate_function": 1, "post_transform": 0}
"""What leaves weigh is added up, and left as it is."""


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
    """(nodes, outputs), in the type that they are added up in; only those of leaves count."""
    members: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Node that asks for a category to the categories that go left; it has no threshold."""


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
    order = _features_of(estimator)
    trees = []
    for iteration in estimator._predictors:
        for predictor in iteration:
            nodes = predictor.nodes
            leaf = nodes["is_leaf"].astype(bool)
            sets = predictor.raw_left_cat_bitsets
            asked = np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf).tolist()
            members = {at: members_of(sets[nodes["bitset_idx"][at]]) for at in asked}
            # Of an empty set nothing is a member, as nothing is at most minus infinity.
            threshold = nodes["num_threshold"].astype(np.float64)
            threshold[asked] = -np.inf
            trees.append(
                Tree(
                    np.where(leaf, -1, nodes["left"].astype(np.int64)),
                    np.where(leaf, -1, nodes["right"].astype(np.int64)),
                    order[nodes["feature_idx"].astype(np.int64)],
                    threshold,
                    nodes["missing_go_to_left"].astype(bool),
                    nodes["value"].astype(np.float64)[:, None],
                    {at: found for at, found in members.items() if found},
                )
            )
    if not trees:
        raise NotCompiled("it has no trees")
    outputs = estimator.n_trees_per_iteration_
    link = "identity" if not classifier else "logistic" if outputs == 1 else "softmax"
    baseline = np.asarray(estimator._baseline_prediction, dtype=np.float64).ravel().tolist()
    note = {"kind": "boosted", "link": link, "single": False, "outputs": outputs, "baseline": baseline}
    return Ensemble(trees, False, note)


def _features_of(estimator: Any) -> np.ndarray:
    """The feature that each of a booster's own stands for: it puts those that are categories first.

    Raises:
        NotCompiled: It was given categories that are not 0, 1, 2, …, and numbers them itself.
    """
    if (own := getattr(estimator, "_preprocessor", None)) is None:
        return np.arange(estimator.n_features_in_)
    for known in own.named_transformers_["encoder"].categories_:
        known = known[~np.isnan(known)]
        if not np.array_equal(known, np.arange(len(known))):
            raise NotCompiled("it encodes categories itself")
    categorical = np.asarray(estimator.is_categorical_)
    return np.concatenate([np.flatnonzero(categorical), np.flatnonzero(~categorical)])


def members_of(bits: np.ndarray) -> list[int]:
    """The categories in a set of bits, given as words of 32."""
    return np.flatnonzero(np.unpackbits(bits.astype("<u4").view(np.uint8), bitorder="little")).tolist()


def leaves_of(ensemble: Ensemble) -> tuple[np.ndarray, list[int]]:
    """What all leaves hold, tree by tree, and where each tree's begin.

    Returns:
        (leaves, outputs), float64 or what else the ensemble adds up in, and the offsets.
    """
    parts = [tree.values[tree.left < 0] for tree in ensemble.trees]
    offsets = np.cumsum([0, *(len(part) for part in parts[:-1])])
    return np.ascontiguousarray(np.concatenate(parts)), [int(at) for at in offsets]


def graph(ensemble: Ensemble, width: int, missing: bool = True) -> bytes:
    """The ONNX model: `x` (rows, features) to `leaf` (rows, trees), the number of the leaf within its tree.

    Thresholds that are compared with float32 are rounded down to float32: `x <= threshold` then is true of the same x.

    Args:
        ensemble: The trees.
        width: How many features there are.
        missing: Whether a feature may be NaN; looking for it at every node takes a twentieth of the time.

    Returns:
        The model, serialised; the same bytes for the same trees.

    Raises:
        NotCompiled: It is larger than a protobuf message may be.
    """
    from google.protobuf.message import EncodeError
    from onnx import TensorProto, helper

    number = np.float32 if ensemble.single else np.float64
    held = _joined([_parts(tree, ensemble.single) for tree in ensemble.trees])
    node = helper.make_node(
        "TreeEnsemble", ["x"], ["leaf"], domain="ai.onnx.ml", n_targets=len(ensemble.trees), **_PLAIN_SUMS
    )
    if not missing:
        del held["nodes_missing_value_tracks_true"]
    among = held.pop("among").astype(bool)
    if among.any():
        # The sets of all nodes that have one, each ended by NaN.
        sets = [[*tree.members[at], np.nan] for tree in ensemble.trees for at in sorted(tree.members)]
        node.attribute.append(_tensor("membership_values", np.concatenate(sets).astype(number)))
    for name, values in held.items():
        floats = values.dtype.kind == "f"
        node.attribute.append(_tensor(name, values.astype(number)) if floats else _integers(name, values))
    node.attribute.append(_tensor("nodes_modes", np.where(among, _AMONG, _AT_MOST).astype(np.uint8)))
    kind = TensorProto.FLOAT if ensemble.single else TensorProto.DOUBLE
    inputs = [helper.make_tensor_value_info("x", kind, [None, width])]
    outputs = [helper.make_tensor_value_info("leaf", kind, [None, len(ensemble.trees)])]
    opsets = [helper.make_opsetid("ai.onnx.ml", _ML_OPSET), helper.make_opsetid("", _OPSET)]
    model = helper.make_model(helper.make_graph([node], "trees", inputs, outputs), opset_imports=opsets, ir_version=_IR)
    try:
        return model.SerializeToString(deterministic=True)
    except (EncodeError, ValueError) as error:
        raise NotCompiled(f"the trees are too large for ONNX: {error}") from None


def _parts(tree: Tree, single: bool) -> dict[str, np.ndarray]:
    """A tree in ONNX's terms: nodes that ask and leaves, each counted from 0, and which of them a child is."""
    leaf = tree.left < 0
    if leaf.sum() >= _LARGEST_LEAF:
        raise NotCompiled("a tree has more leaves than float32 counts")
    if leaf[0]:  # ONNX wants a node that asks: one that ends in the only leaf on both sides
        child, zero = np.array([1, -1]), np.array([0, 0])
        tree = Tree(child, child, zero, zero.astype(float), zero.astype(bool), tree.values)
        leaf = tree.left < 0
    inner = np.flatnonzero(~leaf)
    place = np.where(leaf, np.cumsum(leaf), np.cumsum(~leaf)) - 1
    left, right = tree.left[inner], tree.right[inner]
    splits = tree.threshold[inner]
    return {
        "tree_roots": np.zeros(1, dtype=np.int64),
        "nodes_featureids": tree.feature[inner],
        "nodes_splits": _rounded_down(splits) if single else splits,
        "nodes_truenodeids": place[left],
        "nodes_trueleafs": leaf[left],
        "nodes_falsenodeids": place[right],
        "nodes_falseleafs": leaf[right],
        "nodes_missing_value_tracks_true": tree.missing_left[inner],
        "among": np.isin(inner, list(tree.members)),
        "leaf_weights": np.arange(leaf.sum(), dtype=np.float64),
    }


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """All trees in one, whose nodes and leaves are counted on from tree to tree."""
    held = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    nodes = np.array([len(part["nodes_featureids"]) for part in parts])
    leaves = np.array([len(part["leaf_weights"]) for part in parts])
    first, first_leaf = np.cumsum(nodes) - nodes, np.cumsum(leaves) - leaves
    held["tree_roots"] = first
    for side in ("true", "false"):
        before = np.where(held[f"nodes_{side}leafs"], np.repeat(first_leaf, nodes), np.repeat(first, nodes))
        held[f"nodes_{side}nodeids"] = held[f"nodes_{side}nodeids"] + before
    held["leaf_targetids"] = np.repeat(np.arange(len(parts)), leaves)
    return held


def _integers(name: str, values: np.ndarray) -> Any:
    """An attribute; the helper of onnx would look at each value for its type, which takes longer."""
    from onnx import AttributeProto

    return AttributeProto(name=name, type=AttributeProto.INTS, ints=values.astype(np.int64).tolist())


def _tensor(name: str, values: np.ndarray) -> Any:
    from onnx import AttributeProto, numpy_helper

    return AttributeProto(name=name, type=AttributeProto.TENSOR, t=numpy_helper.from_array(values, name=name))


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """(n,) float64 to the largest float32 that is not above each."""
    with np.errstate(over="ignore"):  # the largest float32 is the least but infinity
        single = values.astype(np.float32)
        return np.where(single.astype(np.float64) > values, np.nextafter(single, np.float32(-np.inf)), single)
