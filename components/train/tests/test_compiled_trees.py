"""Trees walked by ONNX Runtime end in scikit-learn's leaves, whatever their shape."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from components.common.inference.estimators import FOREST, VALUES, Trees
from components.train.compiling.trees import ensemble_of, graph, leaves_of

ROWS = 80
ESTIMATORS = {
    "deep forest": RandomForestClassifier(8, random_state=0),
    "forest in which some trees are one leaf": RandomForestClassifier(40, min_samples_leaf=25, random_state=0),
    "forest of single leaves": RandomForestClassifier(3, min_samples_leaf=60, random_state=0),
    "a tree": DecisionTreeRegressor(random_state=0),
    "a leaf": DecisionTreeClassifier(min_samples_leaf=60),
    "boosting": HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5),
    "boosting of single leaves": HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=60),
}


def opened(ensemble, width, missing, folder):
    leaves, offsets = leaves_of(ensemble)
    (folder / FOREST).write_bytes(graph(ensemble, width, missing))
    np.save(folder / VALUES, leaves)
    return Trees(folder, {**ensemble.note, "offsets": offsets})


@pytest.mark.parametrize("missing", [True, False], ids=["missing values", "no missing values"])
@pytest.mark.parametrize("estimator", ESTIMATORS.values(), ids=ESTIMATORS)
def test_each_tree_ends_in_the_same_leaf(estimator, missing, tmp_path):
    random = np.random.default_rng(1)
    table, asked = random.normal(size=(2, ROWS, 4))
    if missing:
        table[random.random(table.shape) < 0.1] = asked[random.random(table.shape) < 0.1] = np.nan
    classifier = hasattr(estimator, "predict_proba")
    estimator.fit(table, random.integers(0, 3, ROWS) if classifier else random.normal(size=ROWS))
    ensemble = ensemble_of(estimator)
    if estimator is ESTIMATORS["forest in which some trees are one leaf"]:
        assert {1, 3} <= {len(tree.left) for tree in ensemble.trees}
    numbers, probabilities = opened(ensemble, 4, missing, tmp_path).answer(asked)
    if classifier:
        np.testing.assert_array_equal(probabilities, estimator.predict_proba(asked))
    else:
        np.testing.assert_array_equal(numbers, estimator.predict(asked))


def test_trees_that_split_by_sets_of_categories_end_in_the_same_leaf(tmp_path):
    random = np.random.default_rng(3)
    table, asked = random.integers(0, 60, (2, 3000, 2)).astype(float)
    table[:, 0] = asked[:, 0] = random.normal(size=3000)
    table[::9, 1] = asked[::7, 1] = np.nan
    codes, table[:, 1] = np.unique(table[:, 1], return_inverse=True)  # 0, 1, 2, … as the features are; NaN comes last
    table[table[:, 1] == len(codes) - 1, 1] = np.nan
    target = random.normal(size=61)[np.nan_to_num(table[:, 1], nan=60).astype(int)] + table[:, 0]
    estimator = HistGradientBoostingRegressor(max_iter=9, categorical_features=[1])
    estimator.fit(table, target)
    ensemble = ensemble_of(estimator)
    assert any(tree.members for tree in ensemble.trees)
    asked[~np.isin(asked[:, 1], table[:, 1]), 1] = np.nan  # unknown ones are missing ones, see feature_block
    numbers, _ = opened(ensemble, 2, True, tmp_path).answer(asked)
    np.testing.assert_array_equal(numbers, estimator.predict(asked))


def test_a_row_at_a_threshold_goes_where_scikit_learn_sends_it(tmp_path):
    table = np.float32(np.random.default_rng(2).normal(size=(ROWS, 1)))
    forest = RandomForestClassifier(5, random_state=0).fit(table, np.arange(ROWS) % 3)
    splits = np.concatenate([tree.threshold[tree.left >= 0] for tree in ensemble_of(forest).trees])
    beside = np.concatenate([np.nextafter(np.float32(splits), np.float32(side)) for side in (-np.inf, np.inf)])
    asked = np.concatenate([splits, beside])[:, None].astype(np.float64)
    _, probabilities = opened(ensemble_of(forest), 1, False, tmp_path).answer(asked)
    np.testing.assert_array_equal(probabilities, forest.predict_proba(asked))
