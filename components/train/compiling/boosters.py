"""The trees of LightGBM, XGBoost and CatBoost, read from what each writes of a model."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.train.compiling.not_compiled import NotCompiled
from components.train.compiling.trees import Ensemble, Tree, members_of

_LIGHTGBM = {
    "binary sigmoid:1": "logistic",
    "multiclass": "softmax",
    **dict.fromkeys(("regression", "regression_l1", "huber", "fair", "quantile", "mape"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exponential"),
}
_XGBOOST = {
    "binary:logistic": "logistic",
    "multi:softprob": "softmax",
    **dict.fromkeys(
        ("reg:squarederror", "reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror", "reg:quantileerror"),
        "identity",
    ),
    **dict.fromkeys(("reg:gamma", "reg:tweedie", "count:poisson"), "exponential"),
}
_CATBOOST = {
    "Logloss": "logistic",
    "MultiClass": "softmax",
    **dict.fromkeys(("RMSE", "MAE", "Quantile", "MAPE", "Huber", "LogCosh", "Expectile"), "identity"),
}
"""Each library's loss to how sums of leaves become an answer."""


def lightgbm_ensemble(estimator: Any) -> Ensemble:
    """Reads a fitted model of LightGBM, whose thresholds and sums are float64.

    Raises:
        NotCompiled: It does what has no compiled form.
    """
    head, *parts = estimator.booster_.model_to_string().partition("\nend of trees")[0].split("\nTree=")
    told = dict(line.partition("=")[::2] for line in head.splitlines())
    if "average_output" in told:
        raise NotCompiled("it averages its trees")
    loss = told["objective"]
    link = _link(_LIGHTGBM, loss if loss.startswith("binary") or loss.endswith("sqrt") else loss.partition(" ")[0])
    outputs = int(told["num_tree_per_iteration"])
    trees = [_lightgbm_tree(dict(line.partition("=")[::2] for line in part.splitlines())) for part in parts]
    return _ensemble(trees, link, [0.0] * outputs, single=False)


def _lightgbm_tree(told: dict[str, str]) -> Tree:
    if told.get("is_linear", "0") != "0":
        raise NotCompiled("its leaves hold linear models")
    values = _numbers(told["leaf_value"])
    left, right, feature = (_numbers(told.get(name, "")).astype(np.int64) for name in _LIGHTGBM_NODES)
    told_threshold = threshold = _numbers(told.get("threshold", ""))
    decisions = _numbers(told.get("decision_type", "")).astype(np.int64)
    missing = decisions >> 2 & 3  # 0: as zero, 1: zeros are missing, 2: NaN is
    if (missing == 1).any():
        raise NotCompiled("it takes zeros for missing values")
    missing_left = np.where(missing == 2, (decisions & 2) > 0, threshold >= 0)
    # What is as near to zero as that is zero to LightGBM, so no threshold can lie within.
    threshold = np.where((threshold >= 0) & (threshold < _NEARLY_ZERO), _NEARLY_ZERO, threshold)
    below = np.nextafter(-_NEARLY_ZERO, -np.inf)
    threshold = np.where((threshold < 0) & (threshold >= -_NEARLY_ZERO), below, threshold)
    members = {}
    if int(told["num_cat"]):
        ends, words = (_numbers(told[name]).astype(np.int64) for name in ("cat_boundaries", "cat_threshold"))
        for node in np.flatnonzero(decisions & 1):
            first, end = ends[int(told_threshold[node]) :][:2]
            members[int(node)] = members_of(words[first:end])
            threshold[node], missing_left[node] = -np.inf, False
    inner = len(threshold)
    # Leaves follow the nodes that ask; of a child -1 is leaf 0, -2 leaf 1.
    left, right = (np.where(child < 0, inner - 1 - child, child) for child in (left, right))
    return _with_leaves(left, right, feature, threshold, missing_left, values[:, None], members)


_LIGHTGBM_NODES = ("left_child", "right_child", "split_feature")
_NEARLY_ZERO = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold."""


def xgboost_ensemble(estimator: Any) -> Ensemble:
    """Reads a fitted model of XGBoost, which compares and adds up in float32.

    Raises:
        NotCompiled: It does what has no compiled form.
    """
    learner = json.loads(bytes(estimator.get_booster().save_raw("json")))["learner"]
    booster, loss = learner["gradient_booster"], learner["objective"]["name"]
    if booster["name"] != "gbtree":
        raise NotCompiled(f"the booster {booster['name']} has no compiled form")
    link = _link(_XGBOOST, loss)
    base = np.array(json.loads(learner["learner_model_param"]["base_score"]), dtype=np.float32).ravel()
    if link == "logistic":
        base = -np.log(np.float32(1) / base - np.float32(1))
    elif link == "exponential":
        base = np.log(base)
    outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    info = np.array(booster["model"]["tree_info"])
    if not np.array_equal(info, np.arange(len(info)) % outputs):
        raise NotCompiled("it grows several trees at once")
    trees = [_xgboost_tree(told) for told in booster["model"]["trees"]]
    return _ensemble(trees, link, np.broadcast_to(base, outputs).tolist(), single=True, sums=np.float32)


def _xgboost_tree(told: dict[str, Any]) -> Tree:
    conditions = np.array(told["split_conditions"], dtype=np.float32)
    left, right = (np.array(told[f"{side}_children"], dtype=np.int64) for side in ("left", "right"))
    # It asks x < condition: the same as x <= the float32 before.
    threshold = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
    missing_left = np.array(told["default_left"], dtype=bool)
    members = {}
    sets = zip(told["categories_nodes"], told["categories_segments"], told["categories_sizes"], strict=True)
    for node, first, size in sets:  # those of the set go to the right, so the sides change places
        members[node] = told["categories"][first : first + size]
        left[node], right[node], missing_left[node] = right[node], left[node], not missing_left[node]
        threshold[node] = -np.inf
    feature = np.array(told["split_indices"], dtype=np.int64)
    return Tree(left, right, feature, threshold, missing_left, conditions[:, None], members)


def catboost_ensemble(estimator: Any) -> Ensemble:
    """Reads a fitted model of CatBoost, which compares in float32 and adds up in float64.

    Raises:
        NotCompiled: It does what has no compiled form.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.json"
        estimator.save_model(str(path), format="json")
        told = json.loads(path.read_text(encoding="utf-8"))
    if set(told["features_info"]) - {"float_features"}:
        raise NotCompiled("it encodes categories or texts itself")
    link = _link(_CATBOOST, told["model_info"]["params"].get("loss_function", {}).get("type") or _loss_of(estimator))
    scale, base = told["scale_and_bias"]
    if scale != 1:
        raise NotCompiled("it scales its sums")
    features = told["features_info"]["float_features"]
    flat = {one["feature_index"]: one["flat_feature_index"] for one in features}
    missing_right = {one["feature_index"] for one in features if one["nan_value_treatment"] == "AsTrue"}
    if "oblivious_trees" in told:
        trees = [_oblivious_tree(tree, flat, missing_right) for tree in told["oblivious_trees"]]
    else:
        trees = [_nested_tree(tree, flat, missing_right) for tree in told["trees"]]
    return _ensemble(trees, link, np.ravel(base).tolist(), single=True)


def _loss_of(estimator: Any) -> str:
    return str(estimator.get_all_params().get("loss_function", "")).partition(":")[0]


def _oblivious_tree(told: dict[str, Any], flat: dict[int, int], missing_right: set[int]) -> Tree:
    """A tree that asks the same of all nodes of a level; the first split is the lowest bit of a leaf's number."""
    splits = told["splits"][::-1]
    leaves = np.array(told["leaf_values"], dtype=np.float64).reshape(1 << len(splits), -1)
    inner = len(leaves) - 1
    at = np.repeat(np.arange(len(splits)), [1 << level for level in range(len(splits))])
    asked = [splits[level] for level in at]
    children = 2 * np.arange(inner) + 1
    return _with_leaves(
        children,
        children + 1,
        np.array([flat[_asked(split)] for split in asked], dtype=np.int64),
        np.array([split["border"] for split in asked], dtype=np.float32).astype(np.float64),
        np.array([split["float_feature_index"] not in missing_right for split in asked], dtype=bool),
        leaves,
    )


def _nested_tree(told: dict[str, Any], flat: dict[int, int], missing_right: set[int]) -> Tree:
    """A tree of which each node asks something of its own."""
    nodes: list[dict[str, Any]] = [told]
    left, right = [], []
    for node in nodes:  # it grows
        asks = "split" in node
        left.append(len(nodes) if asks else -1)
        right.append(len(nodes) + 1 if asks else -1)
        nodes += [node["left"], node["right"]] if asks else []
    splits = [node.get("split") for node in nodes]
    outputs = len(np.atleast_1d(nodes[-1]["value"]))  # the last one is a leaf
    return Tree(
        np.array(left),
        np.array(right),
        np.array([flat[_asked(split)] if split else 0 for split in splits]),
        np.array([split["border"] if split else 0.0 for split in splits], dtype=np.float32).astype(np.float64),
        np.array([split is not None and split["float_feature_index"] not in missing_right for split in splits]),
        np.array([np.broadcast_to(node.get("value", 0.0), outputs) for node in nodes], dtype=np.float64),
    )


def _asked(split: dict[str, Any]) -> int:
    if split["split_type"] != "FloatFeature":
        raise NotCompiled("it encodes categories itself")
    return split["float_feature_index"]


def _with_leaves(
    left: np.ndarray,
    right: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    missing_left: np.ndarray,
    values: np.ndarray,
    members: Mapping[int, Sequence[int]] | None = None,
) -> Tree:
    """A tree whose leaves follow its nodes that ask."""
    leaves, inner = len(values), len(left)
    none, zero = np.full(leaves, -1), np.zeros(leaves)
    return Tree(
        np.concatenate([left, none]).astype(np.int64),
        np.concatenate([right, none]).astype(np.int64),
        np.concatenate([feature, zero]).astype(np.int64),
        np.concatenate([threshold, zero]),
        np.concatenate([missing_left, zero]).astype(bool),
        np.concatenate([np.zeros((inner, values.shape[1])), values]),
        members or {},
    )


def _ensemble(trees: list[Tree], link: str, baseline: list[float], *, single: bool, sums: Any = np.float64) -> Ensemble:
    if not trees:
        raise NotCompiled("it has no trees")
    note = {"kind": "boosted", "link": link, "single": single, "outputs": len(baseline), "baseline": baseline}
    return Ensemble(trees, single, {**note, "sums": np.dtype(sums).name})


def _link(known: dict[str, str], loss: str) -> str:
    if loss not in known:
        raise NotCompiled(f"the loss {loss} has no compiled form")
    return known[loss]


def _numbers(text: str) -> np.ndarray:
    return np.array(text.split(), dtype=np.float64)


OF_LIBRARY = {"lightgbm": lightgbm_ensemble, "xgboost": xgboost_ensemble, "catboost": catboost_ensemble}
"""Library to what reads its fitted models."""
