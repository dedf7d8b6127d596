import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.svm import LinearSVC

from components.common.base.errors import Refusal
from components.common.inference.sklearn_predict import answers, classes_of
from components.common.metrics.targets import as_labels, target_values

RANDOM = np.random.default_rng(0)
FEATURES = RANDOM.normal(size=(3000, 4))
LABELS = np.where(FEATURES[:, 0] + RANDOM.normal(size=3000) > 0, "yes", "no").astype(object)


def test_many_rows_get_the_answers_that_they_get_alone():
    forest = RandomForestClassifier(20, max_depth=6, random_state=0, n_jobs=1).fit(FEATURES, LABELS)
    found = answers(forest, FEATURES)
    np.testing.assert_array_equal(found.probabilities, forest.predict_proba(FEATURES))
    np.testing.assert_array_equal(found.predicted, forest.predict(FEATURES))
    np.testing.assert_array_equal(found.probabilities[2999:], forest.predict_proba(FEATURES[2999:]))


def test_asking_twice_gives_equal_answers_to_the_last_digit():
    forest = RandomForestRegressor(30, random_state=0, n_jobs=1).fit(FEATURES, FEATURES[:, 1] * 3)
    first, second = (answers(forest, FEATURES).predicted for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == "float64"


def test_a_classifier_without_probabilities_gives_labels():
    model = LinearSVC().fit(FEATURES, LABELS)
    found = answers(model, FEATURES)
    assert found.probabilities is None and set(found.predicted) == {"yes", "no"}
    assert classes_of(model) == ["no", "yes"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        (pd.Series(["a", "b"]), ["a", "b"]),
        (pd.Series([1, 0]), ["1", "0"]),
        (pd.Series([1.0, 0.0]), ["1", "0"]),
        (pd.Series([0.5, 1.0]), ["0.5", "1.0"]),
    ],
    ids=["strings", "integers", "whole-floats", "floats"],
)
def test_labels_are_strings(values, labels):
    assert as_labels(values).tolist() == labels


@pytest.mark.parametrize(
    ("table", "task", "problem"),
    [
        (pd.DataFrame({"x": [1]}), "classification", "the target is missing"),
        (pd.DataFrame({"y": []}), "regression", "no rows"),
        (pd.DataFrame({"y": ["a", None]}), "classification", "missing in 1 of 2 rows"),
        (pd.DataFrame({"y": ["a", "b"]}), "regression", "is no number"),
        (pd.DataFrame({"y": [1.0, np.inf]}), "regression", "infinite"),
    ],
    ids=["absent", "no-rows", "missing-value", "text-in-regression", "infinite"],
)
def test_a_target_that_cannot_be_scored_is_refused(table, task, problem):
    with pytest.raises(Refusal, match=problem):
        target_values(table, "y", task, "test split")
