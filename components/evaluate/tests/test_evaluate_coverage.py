import numpy as np

from components.common.inference.intervals import Intervals
from components.common.inference.sklearn_predict import Answers
from components.evaluate.coverage import coverage, coverage_section


def test_intervals_are_counted_as_a_whole_and_by_predicted_value():
    intervals = Intervals({"level": 0.9, "edges": [10.0], "low": [-1.0, -5.0], "high": [1.0, 20.0]}, None)
    predicted = np.array([4.0, 4.0, 40.0, 40.0, 40.0])
    found = coverage(np.array([5.0, 6.0, 60.0, 35.0, 34.0]), Answers(predicted), intervals)
    assert (found.whole.covered, found.whole.size) == (0.6, (2 * 2 + 3 * 25) / 5)
    assert [(one.name, one.rows, one.covered, one.size) for one in found.parts] == [
        ("below 10", 2, 0.5, 2.0),
        ("10 and above", 3, 2 / 3, 25.0),
    ]
    assert found.metrics == {"coverage": 0.6, "interval_width": found.whole.size}


def test_sets_are_counted_by_the_true_class_and_hold_no_class_that_training_did_not_know():
    intervals = Intervals({"level": 0.9, "least": {"a": 0.2, "b": 0.6}, "others": 0.5}, ["a", "b"])
    shares = np.array([[0.9, 0.1], [0.5, 0.5], [0.3, 0.7], [0.1, 0.9]])
    found = coverage(np.array(["a", "b", "b", "new"], dtype=object), Answers(np.empty(0), shares), intervals)
    assert (found.whole.covered, found.whole.size) == (0.5, 1.25)
    assert [(one.name, one.covered) for one in found.parts] == [("a", 1.0), ("b", 0.5)]
    assert found.metrics == {"coverage": 0.5, "set_size": 1.25}


def test_a_part_that_holds_less_than_asked_is_marked():
    intervals = Intervals({"level": 0.9, "edges": [], "low": [-1.0], "high": [1.0]}, None)
    truth = np.r_[np.zeros(60), np.full(40, 9.0)]
    page = coverage_section(coverage(truth, Answers(np.zeros(100)), intervals))
    assert "60.0%" in page and "below" in page
    assert ">below<" not in coverage_section(coverage(np.zeros(100), Answers(np.zeros(100)), intervals))
