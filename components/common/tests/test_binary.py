import numpy as np
import pytest
from sklearn import metrics
from sklearn.calibration import calibration_curve

from components.common.base.errors import Refusal
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.binary import calibration, counted, positive_of, precision_recall
from components.common.metrics.residuals import residual_parts
from components.common.reports.model_quality import answer_sections

RANDOM = np.random.default_rng(0)
CHANCE = RANDOM.random(500).round(2)
REAL = RANDOM.random(500) < CHANCE**2


@pytest.mark.parametrize(
    ("classes", "asked", "positive"),
    [
        (["no", "yes"], None, "yes"),
        (["True", "Untrue"], None, "True"),
        (["0", "1"], None, "1"),
        (["benign", "malignant"], None, "malignant"),
        (["benign", "malignant"], "benign", "benign"),
        (["0", "1"], 0, "0"),
        (["False", "True"], False, "False"),
    ],
)
def test_the_positive_class_is_the_named_one_or_the_one_that_sounds_so_or_the_second(classes, asked, positive):
    assert positive_of(classes, asked) == positive


def test_a_positive_class_that_does_not_exist_is_refused():
    with pytest.raises(Refusal, match="malignent") as refused:
        positive_of(["benign", "malignant"], "malignent")
    assert "malignant" in refused.value.mend


def test_what_a_threshold_comes_to_is_as_scikit_learn_has_it():
    flagged = CHANCE >= 0.6
    found = counted(REAL, flagged)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(REAL, flagged, average="binary")
    assert (found.precision, found.recall, found.f1) == pytest.approx((precision, recall, f1))
    assert found.accuracy == pytest.approx(metrics.accuracy_score(REAL, flagged))
    matrix = metrics.confusion_matrix(REAL, flagged)
    assert (found.false_alarms, found.missed, found.flagged) == (matrix[0, 1], matrix[1, 0], flagged.sum())
    assert counted(REAL, np.zeros(500, dtype=bool)).precision is None


def test_curves_are_those_of_scikit_learn():
    recall, precision, average = precision_recall(REAL, CHANCE)
    their_precision, their_recall, _ = metrics.precision_recall_curve(REAL, CHANCE)
    assert average == pytest.approx(metrics.average_precision_score(REAL, CHANCE))
    np.testing.assert_allclose(recall[::-1], their_recall[:-1])
    np.testing.assert_allclose(precision[::-1], their_precision[:-1])
    chance = RANDOM.random(500)
    told, became, off = calibration(REAL, chance)
    their_became, their_told = calibration_curve(REAL, chance, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(told, their_told, atol=0.01)
    assert np.abs(became - their_became).max() < 0.05 and off == pytest.approx(np.abs(told - became).mean())


def test_a_page_of_two_classes_names_the_positive_one_and_shows_its_threshold():
    truth = np.where(REAL, "yes", "no").astype(object)
    probabilities = np.column_stack([1 - CHANCE, CHANCE])
    found = Answers(np.where(CHANCE > 0.5, "yes", "no").astype(object), probabilities)
    page = "".join(answer_sections(truth, found, ["no", "yes"], None, 0.3))
    assert "Positive class: yes" in page and "Confusion matrix at the threshold 0.3" in page
    assert f"yes, AUC {metrics.roc_auc_score(REAL, CHANCE):.3f}" in page and ">chosen<" in page
    assert ">served<" in "".join(answer_sections(truth, found, ["no", "yes"]))


def test_hundreds_of_classes_make_a_table_of_their_confusions():
    truth = np.array([f"c{at % 300:03}" for at in range(3000)], dtype=object)
    chance = RANDOM.dirichlet(np.ones(300), 3000)
    names = sorted(set(truth))
    page = "".join(answer_sections(truth, Answers(np.array(names, dtype=object)[chance.argmax(axis=1)], chance), names))
    assert "Most frequent confusions" in page and "Of 300 classes the 15" in page and len(page) < 200_000


def test_errors_of_numbers_are_told_by_size():
    truth = np.arange(1000.0)
    residual = np.where(truth < 500, 1.0, -10.0)
    parts = residual_parts(truth, residual)
    assert [part.rows for part in parts] == [100] * 10 and (parts[0].low, parts[-1].high) == (0, 999)
    assert [part.error for part in parts] == [1.0] * 5 + [10.0] * 5 and parts[-1].bias == -10
    page = "".join(answer_sections(truth, Answers(truth + residual), None))
    assert "are between -10 and +1." in page


def test_equal_sizes_stand_in_one_part():
    parts = residual_parts(np.array([0.0] * 90 + [5.0] * 10), np.ones(100))
    assert [(part.low, part.high, part.rows) for part in parts] == [(0, 0, 90), (5, 5, 10)]
    assert len(residual_parts(np.ones(50), np.ones(50))) == 1
