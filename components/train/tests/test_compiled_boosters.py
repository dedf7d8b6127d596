"""Trees of LightGBM, XGBoost and CatBoost answer compiled as their libraries do, on whole tables and at thresholds."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris

from components.common.inference.sklearn_predict import answers, unwrapped
from components.train.compiling.boosters import OF_LIBRARY
from components.train.compiling.not_compiled import NotCompiled
from components.train.models import make_estimator, wrapped
from components.train.shipped import shipped
from components.train.tests.test_compiled_trees import opened
from components.train.tests.test_train_models import SMALL, installed

TABLES = {"two classes": load_breast_cancer, "three classes": load_iris, "numbers": load_diabetes}
CASES = {
    **{f"{model}, {name}": (model, name, {}) for model in SMALL for name in TABLES},
    "lightgbm, dart": ("lightgbm", "numbers", {"boosting_type": "dart"}),
    "lightgbm, goss": ("lightgbm", "two classes", {"data_sample_strategy": "goss"}),
    "lightgbm, single leaves": ("lightgbm", "numbers", {"min_child_samples": 400}),
    "lightgbm, gamma": ("lightgbm", "numbers", {"objective": "gamma"}),
    "lightgbm, missing values as zeros": ("lightgbm", "numbers", {"use_missing": False}),
    "xgboost, quantile": ("xgboost", "numbers", {"objective": "reg:quantileerror", "quantile_alpha": 0.9}),
    "xgboost, poisson": ("xgboost", "numbers", {"objective": "count:poisson"}),
    "xgboost, by leaf": ("xgboost", "three classes", {"grow_policy": "lossguide", "max_leaves": 5, "max_depth": 0}),
    "xgboost, exact": ("xgboost", "two classes", {"tree_method": "exact"}),
    "catboost, nodes of their own": ("catboost", "three classes", {"grow_policy": "Depthwise"}),
    "catboost, by leaf": ("catboost", "numbers", {"grow_policy": "Lossguide", "nan_mode": "Max"}),
    "catboost, ordered": ("catboost", "two classes", {"boosting_type": "Ordered"}),
    "catboost, quantile": ("catboost", "numbers", {"loss_function": "Quantile:alpha=0.9"}),
}
NOT = {
    "lightgbm, linear leaves": ("lightgbm", "numbers", {"linear_tree": True}, "linear models"),
    "lightgbm, zeros": ("lightgbm", "numbers", {"zero_as_missing": True}, "zeros for missing"),
    "lightgbm, averaged": (
        "lightgbm",
        "numbers",
        {"boosting_type": "rf", "subsample": 0.5},
        "averages",
    ),
    "lightgbm, one against all": ("lightgbm", "three classes", {"objective": "multiclassova"}, "multiclassova"),
    "lightgbm, roots": ("lightgbm", "numbers", {"reg_sqrt": True}, "regression sqrt"),
    "xgboost, dart": ("xgboost", "two classes", {"booster": "dart"}, "dart"),
    "xgboost, parallel trees": ("xgboost", "three classes", {"num_parallel_tree": 2}, "several trees at once"),
    "catboost, Poisson": ("catboost", "numbers", {"loss_function": "Poisson"}, "Poisson"),
}


def fitted(make_section, model, table, more):
    installed(model)
    task = "regression" if table == "numbers" else "classification"
    features, truth = TABLES[table](return_X_y=True)
    features = np.where(np.random.default_rng(0).random(features.shape) < 0.05, np.nan, features)
    truth = truth if task == "regression" else np.array(["ash", "oak", "yew"], dtype=object)[truth]
    section = make_section(task, model=model, **{**SMALL[model], **more})
    estimator = wrapped(make_estimator(section), section, shipped()).fit(features, truth)
    return estimator, features


@pytest.mark.parametrize(("model", "table", "more"), CASES.values(), ids=CASES)
def test_boosted_trees_answer_as_their_library_does(make_section, tmp_path, model, table, more):
    estimator, features = fitted(make_section, model, table, more)
    ensemble = OF_LIBRARY[model](unwrapped(estimator))
    compiled = opened(ensemble, features.shape[1], True, tmp_path)
    # Beside the rows themselves: each threshold, and the numbers on both sides of it, in one feature of a row.
    at = [
        (tree.feature[node], tree.threshold[node]) for tree in ensemble.trees for node in np.flatnonzero(tree.left >= 0)
    ]
    asked = features
    if at:
        number = np.float32 if ensemble.single else np.float64
        column, split = (np.array(part) for part in zip(*at[:300], strict=True))
        beside = [np.nextafter(number(split), number(side)) for side in (-np.inf, np.inf)]
        rows = np.repeat(features[:1], 3 * len(column), axis=0)
        rows[np.arange(len(rows)), np.tile(column, 3)] = np.concatenate([split, *beside])
        asked = np.concatenate([features, rows])
    expected = answers(estimator, asked)
    found, probabilities = compiled.answer(asked)
    if expected.probabilities is None:
        exact = ensemble.note["link"] == "identity" and model != "catboost"  # it adds what it begins with at the end
        np.testing.assert_allclose(found, expected.predicted, rtol=0 if exact else 2e-7)
    else:
        np.testing.assert_array_equal(estimator.classes_[found], expected.predicted)
        np.testing.assert_allclose(probabilities, expected.probabilities, atol=3e-7 if model == "xgboost" else 1e-14)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_sets_of_categories_are_asked_as_their_library_does(make_section, tmp_path, model, task):
    installed(model)
    random = np.random.default_rng(3)
    codes, numbers = random.integers(0, 70, 3000), random.normal(size=3000)
    score = np.sin(codes * 7.0) + 0.3 * numbers
    features = np.column_stack([numbers, codes.astype(float)])
    features[random.random(features.shape) < 0.05] = np.nan
    section = make_section(task, model=model, **SMALL[model])
    estimator = wrapped(make_estimator(section), section, shipped())
    estimator.set_params(categorical_features=[1])
    estimator.fit(features, np.where(score > 0, "yes", "no") if task == "classification" else score)
    ensemble = OF_LIBRARY[model](unwrapped(estimator))
    assert sum(len(tree.members) for tree in ensemble.trees) > 5
    found, probabilities = opened(ensemble, 2, True, tmp_path).answer(features)
    expected = answers(estimator, features)
    if task == "classification":
        np.testing.assert_allclose(probabilities, expected.probabilities, atol=3e-7 if model == "xgboost" else 1e-14)
    else:
        np.testing.assert_array_equal(found, expected.predicted)


@pytest.mark.parametrize(("model", "table", "more", "why"), NOT.values(), ids=NOT)
def test_what_has_no_compiled_form_says_why(make_section, model, table, more, why):
    estimator, _ = fitted(make_section, model, table, more)
    with pytest.raises(NotCompiled, match=why):
        OF_LIBRARY[model](unwrapped(estimator))
