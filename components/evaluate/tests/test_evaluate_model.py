import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline

from components.common.base.errors import Refusal
from components.common.config.evaluate import EvaluateArgument
from components.common.inference.saved_model import load
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.baseline import baseline_of
from components.common.metrics.scores import Scores
from components.common.reports.model_quality import score_cards
from components.common.tables.parquet import write_table
from components.common.tracking.step import REFUSED
from components.evaluate.component import evaluate as evaluate_step
from components.evaluate.evaluate import evaluate, evaluate_file
from components.evaluate.slices import slices_of_class, slices_of_column


def houses(rows=400, seed=0):
    """Houses by size and rooms. In the north, sizes were measured badly."""
    random = np.random.default_rng(seed)
    size = random.uniform(40, 300, rows)
    place = random.choice(["north", "south", "west"], rows, p=[0.3, 0.65, 0.05])
    table = pd.DataFrame(
        {
            "size": np.where(place == "north", random.uniform(40, 300, rows), size),
            "rooms": (size // 40).round(),
            "place": place,
            "price": size * 3,
            "kind": np.where(size > 200, "villa", np.where(size > 90, "house", "hut")),
        }
    )
    table.loc[random.random(rows) < 0.3, "rooms"] = None
    return table


SECTIONS = {
    task: {"target": target, "task": task, "slices": ["place", "size"], "min_slice_rows": 30}
    for task, target in (("classification", "kind"), ("regression", "price"))
}


@pytest.fixture(scope="module")
def pipelines():
    table = houses()
    columns = ColumnTransformer([("numbers", SimpleImputer(), ["size", "rooms"])])
    return {
        task: Pipeline([("features", columns), ("model", model(20, random_state=0))]).fit(
            table, table[SECTIONS[task]["target"]]
        )
        for task, model in (("classification", RandomForestClassifier), ("regression", RandomForestRegressor))
    }


@pytest.fixture
def written(tmp_path, pipelines):
    """A saved model and a test split; returns their paths and that of the report."""

    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema

    def write(task, change=lambda table: table):
        inputs = Schema([ColSpec("double", "size"), ColSpec("double", "rooms", required=False)])
        signature = ModelSignature(inputs, Schema([ColSpec("string" if task == "classification" else "double")]))
        mlflow.sklearn.save_model(
            pipelines[task],
            str(tmp_path / "model"),
            signature=signature,
            pip_requirements=[],
            skops_trusted_types=[],
            serialization_format="cloudpickle",
        )
        write_table(change(houses(seed=1)), tmp_path / "test")
        return [str(tmp_path / name) for name in ("model", "test", "report")]

    return write


def test_a_classifier_is_scored_on_the_rows_of_the_file(written, pipelines):
    found = evaluate_file(SECTIONS["classification"], *written("classification"))
    test = houses(seed=1)
    chance = pipelines["classification"].predict_proba(test)
    assert found["metrics"] == pytest.approx(
        {
            "auc_macro_ovo": metrics.roc_auc_score(test["kind"], chance, multi_class="ovo"),
            "f1_macro": metrics.f1_score(test["kind"], pipelines["classification"].predict(test), average="macro"),
            "accuracy": metrics.accuracy_score(test["kind"], pipelines["classification"].predict(test)),
            "log_loss": metrics.log_loss(test["kind"], chance),
        }
    )
    assert found["views"]["categories"] == ["house", "hut", "villa"] and sum(map(sum, found["views"]["matrix"])) == 400


def test_a_regressor_is_scored_on_the_rows_of_the_file(written, pipelines):
    found = evaluate_file(SECTIONS["regression"], *written("regression"))
    test = houses(seed=1)
    assert found["metrics"]["r2"] == pytest.approx(
        metrics.r2_score(test["price"], pipelines["regression"].predict(test))
    )
    assert found["views"] is None


def test_a_model_that_tells_what_to_guess_by_is_shown_beside_guessing(pipelines):
    test = houses(seed=1)
    baseline = baseline_of(houses()["price"].to_numpy(), "regression")
    section = EvaluateArgument.model_validate(SECTIONS["regression"])
    found = evaluate(section, pipelines["regression"], test, baseline)
    assert found.guessed["rmse"] == pytest.approx(test["price"].std(), rel=0.02)
    assert 0.8 * found.guessed["rmse"] > found.scores.values["rmse"]


def test_a_score_no_better_than_guessing_is_said_aloud():
    page = "".join(score_cards(Scores({"accuracy": 0.6, "log_loss": 0.5}), {"accuracy": 0.6, "log_loss": 0.7}, {}))
    assert "No better than guessing by Accuracy." in page and "guessing 0.7" in page


def test_two_evaluations_are_equal_to_the_last_byte(written, tmp_path):
    paths = written("classification")
    first = evaluate_file(SECTIONS["classification"], *paths), (tmp_path / "report").read_bytes()
    assert (evaluate_file(SECTIONS["classification"], *paths), (tmp_path / "report").read_bytes()) == first


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_bad_slice_stands_first_and_is_called_worse(pipelines, task):
    found = evaluate(EvaluateArgument(**SECTIONS[task]), pipelines[task], houses(seed=1))
    by_place = {one.name: one for one in found.slices["place"]}
    assert next(iter(by_place)) == "north" and by_place["north"].verdict == "worse"
    assert by_place["south"].verdict == "better"
    assert list(by_place)[-1] == "west" and by_place["west"].verdict == ""
    assert sum(one.rows for one in found.slices["place"]) == 400
    assert len(found.slices["size"]) == 4


def test_slices_have_the_scores_of_their_rows(pipelines):
    test = houses(seed=1)
    found = evaluate(EvaluateArgument(**SECTIONS["regression"]), pipelines["regression"], test)
    north = test[test["place"] == "north"]
    predicted = pipelines["regression"].predict(north)
    assert found.slices["place"][0].scores == pytest.approx(
        {
            "r2": metrics.r2_score(north["price"], predicted),
            "mae": metrics.mean_absolute_error(north["price"], predicted),
            "rmse": metrics.root_mean_squared_error(north["price"], predicted),
        }
    )


def test_each_class_is_a_slice_by_itself(pipelines):
    section = EvaluateArgument(**{**SECTIONS["classification"], "slices": []})
    found = evaluate(section, pipelines["classification"], houses(seed=1))
    ((title, classes),) = found.slices.items()
    assert title == "class of kind" and {one.name for one in classes} == {"hut", "house", "villa"}
    f1 = [one.scores["f1"] for one in classes]
    assert f1 == sorted(f1)


def test_missing_values_and_numbers_are_sliced_too():
    truth = np.arange(100.0)
    found = Answers(truth + 1)
    values = pd.Series(np.where(np.arange(100) < 10, np.nan, np.arange(100)))
    slices = slices_of_column(values, truth, found, None, 5)
    assert {one.name for one in slices} == {"10 to 32.25", "32.25 to 54.5", "54.5 to 76.75", "76.75 to 99", "(missing)"}
    assert {one.rows for one in slices if one.name == "(missing)"} == {10}


def test_a_class_without_rows_has_no_verdict():
    labels = np.array(["a"] * 40 + ["b"] * 40, dtype=object)
    slices = slices_of_class(labels, Answers(labels), ["a", "b", "c"], 20)
    assert [(one.name, one.rows, one.verdict) for one in slices] == [
        ("a", 40, "alike"),
        ("b", 40, "alike"),
        ("c", 0, ""),
    ]


def test_the_report_shows_the_total_and_the_slices(written, tmp_path):
    evaluate_file(SECTIONS["classification"], *written("classification"))
    page = (tmp_path / "report").read_text()
    for part in (
        "AUC (macro, one-vs-one)",
        "By class of kind",
        "By place",
        "Worse than the other rows: north.",
        "fewer than 30 rows",
        "Confusion matrix",
        "ROC curves",
    ):
        assert part in page


@pytest.mark.parametrize(
    ("change", "section", "problem"),
    [
        (lambda t: t.drop(columns="size"), {}, r"column\(s\) missing that the model needs: size(?s:.*)model"),
        (lambda t: t.drop(columns="kind"), {}, "the target is missing"),
        (lambda t: t.assign(size="large"), {}, "the model cannot answer"),
        (lambda t: t, {"slices": ["plce"]}, "did you mean 'place'"),
        (lambda t: t, {"task": "regression", "target": "price"}, "the model is a classifier"),
    ],
    ids=["column", "target", "wrong-type", "slice", "task"],
)
def test_what_cannot_be_scored_is_refused(written, change, section, problem):
    with pytest.raises(Refusal, match=problem):
        evaluate_file({**SECTIONS["classification"], **section}, *written("classification", change))


def test_a_folder_that_is_no_model_is_refused(tmp_path):
    with pytest.raises(Refusal, match="no saved model"):
        load(tmp_path)
    (tmp_path / "MLmodel").write_text("flavors: {}\n")
    with pytest.raises(Refusal, match="no model that can be loaded"):
        load(tmp_path)


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Calls the component's function; returns its exit code, its artifacts and the record that it left."""

    from kfp import dsl

    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "record.json"))

    def run(section):
        kinds = {"metrics": dsl.Metrics, "curves": dsl.ClassificationMetrics, "report": dsl.HTML}
        made = {name: kind(name=name, uri=str(tmp_path / name), metadata={}) for name, kind in kinds.items()}
        given = {
            "model": dsl.Model(name="model", uri=str(tmp_path / "model"), metadata={"digest": "d-model"}),
            "test_table": dsl.Dataset(name="test", uri=str(tmp_path / "test"), metadata={"digest": "d-test"}),
        }
        try:
            evaluate_step.python_func(section=json.dumps(section), **given, **made)
            code = 0
        except SystemExit as ended:
            code = ended.code
        return code, made, json.loads((tmp_path / "record.json").read_text())

    return run


def test_the_step_leaves_metrics_views_and_a_record(written, call, tmp_path):
    written("classification")
    code, made, record = call(SECTIONS["classification"])
    assert code == 0 and record["status"] == "FINISHED"
    assert set(made["metrics"].metadata) == {"auc_macro_ovo", "f1_macro", "accuracy", "log_loss"}
    assert record["scores"] == {f"test_{name}": value for name, value in made["metrics"].metadata.items()}
    assert "confusionMatrix" in made["curves"].metadata
    assert [(item["name"], item["digest"]) for item in record["inputs"]] == [
        ("model", "d-model"),
        ("test_table", "d-test"),
    ]
    assert record["files"] == [[str(tmp_path / "report"), "reports", "evaluate.html"]]


def test_a_refusal_says_what_to_mend(written, call, capsys):
    written("classification", lambda table: table.drop(columns="size"))
    code, _, record = call(SECTIONS["classification"])
    assert code == 1 and record["status"] == "FAILED"
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(REFUSED))
    assert "missing that the model needs: size" in json.loads(line.removeprefix(REFUSED))["message"]
