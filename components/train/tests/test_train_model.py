import json

import numpy as np
import pandas as pd
import pytest

from components.common.base.errors import Refusal
from components.common.metrics.baseline import saved_baseline
from components.common.tables.parquet import write_table
from components.common.tracking.step import REFUSED
from components.train.component import train as train_step
from components.train.train import train, train_file


@pytest.fixture
def written(tmp_path, table, held_out):
    """The splits as files, and the paths to write to."""
    for name, split in (("train", table), ("validation", held_out)):
        write_table(split, tmp_path / name)
    return [str(tmp_path / name) for name in ("train", "validation", "model", "report")]


def as_sent(section):
    """A section from a client that knows no integers."""
    return json.loads(json.dumps(section.model_dump()), parse_int=float)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("model", ["random_forest", "hist_gradient_boosting", "linear"])
def test_two_trainings_are_equal_to_the_last_byte(make_section, written, task, model):
    short = {"max_iter": 10} if model == "hist_gradient_boosting" else {}
    section = as_sent(make_section(task, model=model, **short))
    first, second = train_file(section, *written), train_file(section, *written)
    assert first["metrics"] == second["metrics"] and first["digest"] == second["digest"]


def test_another_seed_is_another_model(make_section, table, held_out):
    one, other = (train(make_section(seed=seed), table, held_out).answers.probabilities for seed in (1, 2))
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("task", "more", "loss"),
    [
        ("classification", {}, "log loss"),
        ("classification", {"model": "sklearn.svm.LinearSVC"}, "share of wrong answers"),
        ("regression", {"model": "hist_gradient_boosting", "max_iter": 10}, "RMSE"),
    ],
    ids=["probabilities", "none", "numbers"],
)
def test_importance_is_what_dealing_a_column_anew_costs(make_section, table, held_out, task, more, loss):
    found = train(make_section(task, **more), table, held_out).importance
    values = list(found.columns.values())
    assert f"the {loss} of 120 held-out rows" in found.by and values == sorted(values, reverse=True)
    assert next(iter(found.columns)) in ("girth", "gap", "bark") and values[0] > 0 and found.others == 0


def test_the_report_shows_scores_pictures_and_features(make_section, written, tmp_path):
    train_file(as_sent(make_section()), *written)
    page = (tmp_path / "report").read_text()
    for part in (
        "AUC (macro, one-vs-one)",
        "Confusion matrix",
        "ROC curves",
        "Importance of columns",
        "remark",
        "note + by",
        "n_estimators",
    ):
        assert part in page
    train_file(as_sent(make_section("regression")), *written)
    page = (tmp_path / "report").read_text()
    for part in ("R²", "Residuals", "Predicted over true values"):
        assert part in page


def test_a_class_that_the_validation_split_lacks_is_said_in_the_report(make_section, table, held_out):
    found = train(make_section(), table, held_out[held_out["kind"] != "yew"])
    assert "'yew'" in found.scores.notes[0] and "auc_macro_ovo" in found.scores.values


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda t: t.drop(columns="girth"), "column 'girth' is missing"),
        (lambda t: t.drop(columns="kind"), "the target is missing"),
        (lambda t: t.assign(kind="oak"), "the target is the same in every row"),
        (lambda t: t.assign(kind=t["kind"].where(t.index > 3)), "the target is missing in 4 of 300 rows"),
        (lambda t: t.assign(girth=np.nan), "column girth: has no value in any row"),
        (lambda t: t.assign(bark=None), "column bark: has no value in any row"),
        (lambda t: t.assign(note="", by=None), "column remark: has no value in any row"),
        (lambda t: t.assign(seen=pd.NaT), "column seen: has no value in any row"),
        (lambda t: t.assign(girth=t["girth"].replace(t["girth"].max(), np.inf)), "holds infinite numbers"),
        (lambda t: t.assign(girth="thick"), r"column girth \(numerical\)"),
        (lambda t: t.iloc[:0], "no rows"),
    ],
    ids=[
        "no-column",
        "no-target",
        "constant-target",
        "missing-target",
        "empty-number",
        "empty-category",
        "empty-text",
        "empty-date",
        "infinite",
        "text-for-number",
        "no-rows",
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused(make_section, table, held_out, change, problem):
    with pytest.raises(Refusal, match=problem):
        train(make_section(), change(table), held_out)


def test_a_constant_number_is_refused_as_a_target(make_section, table, held_out):
    with pytest.raises(Refusal, match="the target is the same in every row"):
        train(make_section("regression"), table.assign(age=3.0), held_out)


@pytest.fixture
def call(tmp_path, written, monkeypatch):
    """Calls the component's function; returns its exit code, its artifacts and the record that it left."""

    from kfp import dsl

    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "record.json"))

    def run(section):
        kinds = {"model": dsl.Model, "metrics": dsl.Metrics, "curves": dsl.ClassificationMetrics, "report": dsl.HTML}
        made = {name: kind(name=name, uri=str(tmp_path / name), metadata={}) for name, kind in kinds.items()}
        given = {
            f"{name}_table": dsl.Dataset(
                name=name, uri=str(tmp_path / name), metadata={"digest": f"d-{name}", "rows": 9}
            )
            for name in ("train", "validation")
        }
        try:
            train_step.python_func(section=json.dumps(section), **given, **made)
            code = 0
        except SystemExit as ended:
            code = ended.code
        return code, made, json.loads((tmp_path / "record.json").read_text())

    return run


def test_the_step_leaves_a_model_views_and_a_record(make_section, call, tmp_path):
    code, made, record = call(as_sent(make_section()))
    assert code == 0 and record["status"] == "FINISHED"
    described = made["model"].metadata
    assert {**described, "digest": ""} == {
        "framework": "scikit-learn",
        "model": "random_forest",
        "task": "classification",
        "target": "kind",
        "answers": "compiled",
        "digest": "",
        "train_digest": "d-train",
        "validation_digest": "d-validation",
    }
    scores = {"auc_macro_ovo", "f1_macro", "accuracy", "log_loss"}
    assert set(made["metrics"].metadata) == {*scores, *(f"baseline_{name}" for name in scores)}
    saved = saved_baseline(tmp_path / "model")
    assert list(saved.shares) == ["ash", "oak", "yew"] and sum(saved.shares.values()) == pytest.approx(1)
    assert record["scores"] == {f"validation_{name}": value for name, value in made["metrics"].metadata.items()}
    rows = made["curves"].metadata["confusionMatrix"]["rows"]
    assert sum(sum(row["row"]) for row in rows) == 120
    assert record["tags"]["training_table.digest"] == "d-train"
    assert record["tags"]["output.model.digest"] == described["digest"]
    assert [item["name"] for item in record["inputs"]] == ["train_table", "validation_table"]
    assert record["parameters"]["n_estimators"] == "10.0"
    assert record["files"] == [
        [str(tmp_path / "report"), "reports", "train.html"],
        [str(tmp_path / "model"), "", "model"],
    ]


def test_two_classes_have_a_roc_curve_and_numbers_have_no_views(make_section, call, tmp_path, table):
    write_table(table[table["kind"] != "yew"], tmp_path / "train")
    _, made, _ = call(as_sent(make_section()))
    assert "confidenceMetrics" not in made["curves"].metadata  # a third class stands among the validation rows
    write_table(table[table["kind"] != "yew"], tmp_path / "validation")
    _, made, _ = call(as_sent(make_section()))
    assert len(made["curves"].metadata["confidenceMetrics"]) > 10
    _, made, _ = call(as_sent(make_section("regression")))
    assert made["curves"].metadata == {} and {"r2", "mae", "rmse"} < set(made["metrics"].metadata)


def test_a_refusal_leaves_no_model_and_says_what_to_mend(make_section, call, tmp_path, capsys):
    code, _, record = call({**as_sent(make_section()), "n_estimators": 0.0})
    assert code == 1 and record["status"] == "FAILED" and not (tmp_path / "model").exists()
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith(REFUSED))
    assert "train.n_estimators" in json.loads(line.removeprefix(REFUSED))["message"]
