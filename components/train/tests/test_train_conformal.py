import numpy as np
import pandas as pd
import pytest

from components.common.base.errors import Refusal
from components.common.inference import load_predictor
from components.common.inference.intervals import Intervals
from components.common.inference.sklearn_predict import Answers
from components.common.tables.parquet import write_table
from components.train.conformal import calibrated
from components.train.tests.trees import section, trees
from components.train.train import train, train_file


def prices(rows, seed):
    """Values and their predictions, whose errors grow with the value and are skewed."""
    random = np.random.default_rng(seed)
    predicted = random.uniform(10, 300, rows)
    return predicted + predicted * (random.exponential(0.3, rows) - 0.3), predicted


def shares(rows, seed):
    """Labels of three classes, one in fifty rare, and the probabilities that they were drawn by."""
    random = np.random.default_rng(seed)
    probabilities = random.dirichlet([4, 2, 0.12], rows)
    return np.array(["a", "b", "c"], dtype=object)[
        (probabilities.cumsum(axis=1) < random.random((rows, 1))).sum(axis=1)
    ], probabilities


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_intervals_hold_for_the_asked_share_of_cheap_and_of_dear(level):
    truth, predicted = prices(10_000, 0)
    intervals = Intervals(calibrated(truth, Answers(predicted), None, level), None)
    truth, predicted = prices(20_000, 1)
    low, high = intervals.bounds(predicted).T
    inside, part = (low <= truth) & (truth <= high), intervals.part(predicted)
    assert len(intervals.edges) == 9 and inside.mean() == pytest.approx(level, abs=0.015)
    assert all(inside[part == at].mean() == pytest.approx(level, abs=0.05) for at in range(10))
    assert (high - low)[part == 9].mean() > 4 * (high - low)[part == 0].mean()


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_sets_hold_for_each_class_also_for_a_rare_one(level):
    truth, probabilities = shares(6000, 0)
    classes = ["a", "b", "c"]
    intervals = Intervals(calibrated(truth, Answers(truth, probabilities), classes, level), classes)
    truth, probabilities = shares(20_000, 1)
    members = intervals.members(probabilities)
    inside = members[np.arange(len(truth)), [classes.index(name) for name in truth]]
    assert level - 0.01 < inside.mean() < level + 0.04
    for at, name in enumerate(classes):
        assert members[truth == name, at].mean() > 1 - 2 * (1 - level) - 0.03, name
    assert members.any(axis=1).all() and members[np.arange(len(members)), probabilities.argmax(axis=1)].all()
    first = intervals.sets(probabilities[:50])
    assert [one[0] for one in first] == [classes[at] for at in probabilities[:50].argmax(axis=1)]


def test_a_class_of_few_rows_takes_the_threshold_of_all():
    truth, probabilities = shares(500, 0)
    few = np.flatnonzero(truth == "c")[3:]
    kept = np.delete(np.arange(500), few)
    noted = calibrated(truth[kept], Answers(truth[kept], probabilities[kept]), ["a", "b", "c"], 0.9)
    assert noted["least"]["c"] == noted["others"]
    refitted = Intervals(noted, ["a", "b", "c", "new"])  # on the validation rows, too, which have one class more
    assert refitted.members(np.array([[0.0, 0.1, 0.0, 0.9]]))[0, 3]


@pytest.mark.parametrize(
    ("predicted", "parts"),
    [(np.ones(2000), 1), (np.repeat([1.0, 2.0], [1990, 10]), 1), (np.repeat([1.0, 2.0, 3.0], [900, 200, 900]), 3)],
    ids=["one value", "a rare value", "three values"],
)
def test_parts_of_few_predictions_are_joined(predicted, parts):
    truth = predicted + np.random.default_rng(0).normal(size=2000)
    noted = calibrated(truth, Answers(predicted), None, 0.9)
    assert len(noted["low"]) == parts
    assert not np.isin(noted["edges"], predicted).any(), "a last digit moves no row to another part"


@pytest.mark.parametrize(
    ("rows", "classes", "level", "rule"),
    [
        (18, None, 0.9, "at least 19 rows"),
        (8, ["a", "b", "c"], 0.9, "at least 9 rows"),
        (98, None, 0.98, "at least 99"),
    ],
)
def test_too_few_validation_rows_are_refused(rows, classes, level, rule):
    truth, found = prices(rows, 0) if classes is None else shares(rows, 0)
    answers = Answers(found) if classes is None else Answers(truth, found)
    with pytest.raises(Refusal, match=rule):
        calibrated(truth, answers, classes, level)


def test_a_classifier_without_probabilities_is_refused():
    with pytest.raises(Refusal, match="no probabilities"):
        train(section(model="sklearn.svm.LinearSVC", intervals=0.9), trees(), trees(120, 1))


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_compiled_model_and_scikit_learn_give_equal_intervals(task, tmp_path):
    import mlflow.pyfunc

    for name, table in (("train", trees()), ("validation", trees(120, 1))):
        write_table(table, tmp_path / f"{name}.parquet")
    argument = section(task, intervals=0.9).model_dump(mode="json")
    train_file(argument, *(str(tmp_path / name) for name in ("train.parquet", "validation.parquet", "model", "report")))
    predictor, rows = load_predictor(tmp_path / "model"), trees(400, 2)
    assert predictor.path == "compiled"
    answered = predictor.answer({name: rows[name].to_numpy() for name in predictor.columns}, len(rows))
    model = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    found = model.predict(rows, params={"intervals": True})
    assert isinstance(model.predict(rows), np.ndarray)
    if task == "regression":
        np.testing.assert_allclose(
            found[["prediction_low", "prediction_high"]], predictor.intervals.bounds(answered.predicted), rtol=1e-9
        )
    else:
        assert found["prediction_set"].tolist() == predictor.intervals.sets(answered.probabilities)
    assert (found["prediction"] == answered.predicted).all() or task == "regression"
    (code,) = (tmp_path / "model" / "code").glob("tabpipe_intervals_*.py")
    assert isinstance(found, pd.DataFrame) and "import components" not in code.read_text()
    assert "from components" not in code.read_text(), "it loads where the project is not installed"
