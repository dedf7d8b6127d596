"""Every score against scikit-learn's own."""

import time

import numpy as np
import pytest
from sklearn import metrics

from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import (
    auc_of,
    class_views,
    classification_scores,
    coded,
    confusion,
    per_class,
    regression_scores,
    roc_curve,
)


def guesses(classes, rows=400, ties=False, seed=0):
    """True labels and probabilities that are right more often than not."""
    random = np.random.default_rng(seed)
    names = [f"c{at:02}" for at in range(classes)]
    codes = random.integers(0, classes, rows)
    chance = random.dirichlet(np.ones(classes), rows) + 0.3 * np.eye(classes)[codes]
    if ties:
        chance = np.round(chance, 1) + 0.05
    chance /= chance.sum(axis=1, keepdims=True)
    labels = np.array(names, dtype=object)
    return labels[codes], Answers(labels[chance.argmax(axis=1)], chance), names


@pytest.mark.parametrize("ties", [False, True], ids=["no-ties", "ties"])
@pytest.mark.parametrize("classes", [2, 3, 15])
def test_classification_scores_are_those_of_scikit_learn(classes, ties):
    truth, found, names = guesses(classes, ties=ties)
    chance = found.probabilities[:, 1] if classes == 2 else found.probabilities
    wanted = {
        "auc_macro_ovo": metrics.roc_auc_score(truth, chance, multi_class="ovo", labels=names),
        "f1_macro": metrics.f1_score(truth, found.predicted, average="macro"),
        "accuracy": metrics.accuracy_score(truth, found.predicted),
        "log_loss": metrics.log_loss(truth, found.probabilities, labels=names),
    }
    scores = classification_scores(truth, found, names)
    assert scores.values == pytest.approx(wanted, abs=1e-12, rel=0)
    assert list(scores.values) == list(wanted) and scores.notes == []


def test_certain_and_wrong_answers_keep_the_log_loss_finite():
    truth, names = np.array(["a", "b"], dtype=object), ["a", "b"]
    found = Answers(np.array(["b", "b"], dtype=object), np.array([[0.0, 1.0], [0.0, 1.0]]))
    wanted = metrics.log_loss(truth, found.probabilities, labels=names)
    assert classification_scores(truth, found, names).values["log_loss"] == pytest.approx(wanted, abs=1e-12)


def test_precision_recall_and_f1_of_each_class_are_those_of_scikit_learn():
    truth, found, names = guesses(4)
    mine = per_class(confusion(truth, found.predicted, names))
    theirs = metrics.precision_recall_fscore_support(truth, found.predicted, labels=names)
    for key, values in zip(("precision", "recall", "f1", "rows"), theirs, strict=True):
        np.testing.assert_allclose(mine[key], values, atol=1e-12)


def test_the_confusion_matrix_is_that_of_scikit_learn():
    truth, found, names = guesses(5)
    wanted = metrics.confusion_matrix(truth, found.predicted, labels=names)
    np.testing.assert_array_equal(confusion(truth, found.predicted, names), wanted)


@pytest.mark.parametrize("ties", [False, True], ids=["no-ties", "ties"])
def test_roc_curves_have_the_area_of_scikit_learn(ties):
    truth, found, names = guesses(3, ties=ties)
    positive = coded(truth, names) == 1
    x, y, least = roc_curve(positive, found.probabilities[:, 1])
    assert auc_of(x, y) == pytest.approx(metrics.roc_auc_score(positive, found.probabilities[:, 1]), abs=1e-12)
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1) and np.isfinite(least).all()


def test_regression_scores_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    truth, predicted = random.normal(100, 20, 300), random.normal(100, 20, 300)
    wanted = {
        "r2": metrics.r2_score(truth, predicted),
        "mae": metrics.mean_absolute_error(truth, predicted),
        "rmse": metrics.root_mean_squared_error(truth, predicted),
    }
    assert regression_scores(truth, predicted).values == pytest.approx(wanted, abs=1e-12)


def test_fifteen_classes_are_scored_many_times_as_fast_as_by_scikit_learn():
    truth, found, names = guesses(15, rows=5000)
    codes = coded(truth, names)
    start = time.perf_counter()
    classification_scores(truth, found, names)
    mine = time.perf_counter() - start
    start = time.perf_counter()
    metrics.roc_auc_score(codes, found.probabilities, multi_class="ovo")
    assert mine < time.perf_counter() - start


def test_a_class_that_no_row_has_is_said_and_the_others_are_scored():
    truth, found, names = guesses(4)
    kept = truth != "c02"
    part = Answers(found.predicted[kept], found.probabilities[kept])
    scores = classification_scores(truth[kept], part, names)
    assert "'c02'" in scores.notes[0]
    assert set(scores.values) == {"auc_macro_ovo", "f1_macro", "accuracy", "log_loss"}
    assert scores.values["f1_macro"] == metrics.f1_score(truth[kept], part.predicted, average="macro")


def test_a_class_that_the_model_never_saw_counts_as_wrong():
    truth, found, names = guesses(3)
    truth = truth.copy()
    truth[:100] = "new"
    scores = classification_scores(truth, found, names)
    assert "never saw 'new'" in " ".join(scores.notes)
    assert scores.values["accuracy"] == (truth == found.predicted).mean()
    assert np.isfinite(list(scores.values.values())).all()


def test_rows_of_one_class_have_no_auc_and_say_so():
    truth, found, names = guesses(2)
    mine = truth == "c00"
    scores = classification_scores(truth[mine], Answers(found.predicted[mine], found.probabilities[mine]), names)
    assert "auc_macro_ovo" not in scores.values and "Rows of one class alone have no AUC." in scores.notes


def test_answers_without_probabilities_are_scored_by_what_they_are():
    truth, found, names = guesses(3)
    scores = classification_scores(truth, Answers(found.predicted), names)
    assert set(scores.values) == {"f1_macro", "accuracy"} and "no probabilities" in scores.notes[0]


def test_rows_of_one_value_have_no_r2_and_say_so():
    scores = regression_scores(np.ones(3), np.array([1.0, 2.0, 3.0]))
    assert set(scores.values) == {"mae", "rmse"} and "no R²" in scores.notes[0]


@pytest.mark.parametrize(("classes", "roc"), [(2, True), (3, False)], ids=["two-classes", "three-classes"])
def test_kubeflow_views_are_plain_lists(classes, roc):
    views = class_views(*guesses(classes, rows=1000))
    assert views["categories"] == [f"c{at:02}" for at in range(classes)]
    assert sum(map(sum, views["matrix"])) == 1000 and type(views["matrix"][0][0]) is int
    assert ("roc" in views) is roc
    if roc:
        assert all(len(part) <= 200 and type(part[0]) is float for part in views["roc"])
