import json

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, log_loss, mean_absolute_error, r2_score, root_mean_squared_error

from components.common.metrics.baseline import Baseline, baseline_of, saved_baseline

LABELS = np.array(["ash"] * 60 + ["oak"] * 30 + ["yew"] * 10, dtype=object)
HELD_OUT = np.array(["ash"] * 5 + ["oak"] * 4 + ["yew"] * 3, dtype=object)


def test_classes_are_guessed_as_the_dummy_of_scikit_learn_does():
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((100, 1)), LABELS)
    rows = np.zeros((12, 1))
    assert baseline_of(LABELS, "classification").scores(HELD_OUT) == pytest.approx(
        {
            "auc_macro_ovo": 0.5,
            "f1_macro": baseline_of(LABELS, "classification").scores(HELD_OUT)["f1_macro"],
            "accuracy": accuracy_score(HELD_OUT, dummy.predict(rows)),
            "log_loss": log_loss(HELD_OUT, dummy.predict_proba(rows)),
        }
    )


def test_f1_is_guessed_by_classes_dealt_by_their_shares():
    baseline = baseline_of(LABELS, "classification")
    names, counts = np.unique(baseline.answers(1000, "f1_macro").predicted, return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"ash": 600, "oak": 300, "yew": 100}
    truth = np.random.default_rng(1).choice(LABELS, 10_000)
    assert baseline.scores(truth)["f1_macro"] == pytest.approx(1 / 3, abs=0.02)
    assert baseline.scores(truth) == baseline.scores(truth)


def test_numbers_are_guessed_by_their_mean_and_the_absolute_error_by_their_median():
    values, truth = np.array([1.0, 2.0, 3.0, 50.0]), np.array([2.0, 4.0, 9.0])
    mean, median = (
        DummyRegressor(strategy=how).fit(np.zeros((4, 1)), values).predict(np.zeros((3, 1)))
        for how in ("mean", "median")
    )
    assert baseline_of(values, "regression").scores(truth) == pytest.approx(
        {
            "r2": r2_score(truth, mean),
            "mae": mean_absolute_error(truth, median),
            "rmse": root_mean_squared_error(truth, mean),
        }
    )


def test_a_class_that_training_did_not_have_counts_as_wrong():
    scores = baseline_of(LABELS[LABELS != "yew"], "classification").scores(HELD_OUT)
    assert scores["accuracy"] == 5 / 12 and scores["log_loss"] > 5


@pytest.mark.parametrize(
    "baseline", [baseline_of(LABELS, "classification"), baseline_of(np.array([1.0, 2.5]), "regression")], ids=str
)
def test_it_survives_json_to_the_last_digit(baseline):
    assert Baseline(**json.loads(json.dumps(baseline.noted()))) == baseline


def test_a_folder_that_notes_none_has_none(tmp_path):
    assert saved_baseline(tmp_path) is None
