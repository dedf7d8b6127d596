"""The step predict on real models: the columns that it writes, chunks, progress, what it refuses, its KFP interface."""

import json

import numpy as np
import pandas as pd
import pytest

from components.common.base.errors import Refusal
from components.common.tables.parquet import write_table
from components.predict import predict as predict_module
from components.predict.predict import predict_file
from components.train.tests.trees import trees

ASKED = ["girth", "height", "bark", "place", "note", "by", "seen"]
"""The columns that the model asks for."""


def with_thick_girths(rows, *places):
    """Trees of which some have a word for a girth."""
    table = trees(rows, seed=7)
    table["girth"] = [None if pd.isna(value) else f"{value:.1f}" for value in table["girth"]]
    table.loc[list(places), "girth"] = "thick"
    return table


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        pytest.param("ids", ["id", "kind", "age"], id="what-is-no-feature"),
        pytest.param("none", [], id="none"),
        pytest.param(["girth", "id"], {"girth", "id"}, id="named"),
        pytest.param("all", ["id", *ASKED, "kind", "age"], id="all"),
    ],
)
def test_the_columns_that_are_asked_for_go_along(answer, keep, expected):
    table = trees(20, seed=7)
    done = answer(table, keep=keep)
    columns = [name for name in done.predictions if name not in ("prediction", "probability", "model_version")]
    assert columns == expected if isinstance(expected, list) else set(columns) == expected
    for name in set(columns) - {"seen"}:
        pd.testing.assert_series_equal(done.predictions[name], table[name], check_dtype=False)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_answers_are_those_of_the_saved_model(stored, answer, task):
    import mlflow.sklearn

    table = trees(80, seed=7)
    found = answer(table, task).predictions["prediction"].to_numpy()
    expected = mlflow.sklearn.load_model(stored(task).model).predict(table)
    if task == "classification":
        assert found.tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, 60, 1000])
def test_how_many_rows_are_asked_at_once_changes_no_answer(answer, chunk):
    table = with_thick_girths(60, 6, 7, 59)
    whole, parts = answer(table, probabilities=True), answer(table, probabilities=True, chunk=chunk)
    pd.testing.assert_frame_equal(parts.predictions, whole.predictions)
    pd.testing.assert_frame_equal(parts.rejects, whole.rejects)
    assert (
        parts.counts
        == whole.counts
        == {"rows": 60, "answered": 57, "refused": 3, "unknown_values": 0, "missing_values": 0}
    )


def test_a_table_without_rows_is_answered_by_none(answer):
    done = answer(trees(5).head(0))
    assert done.counts == {"rows": 0, "answered": 0, "refused": 0, "unknown_values": 0, "missing_values": 0}
    assert len(done.predictions) == len(done.rejects) == 0 and "No row was answered" in done.report


def test_it_says_how_far_it_is(answer, monkeypatch):
    monkeypatch.setattr(predict_module, "_PAUSE", 0.0)
    heard = answer(trees(50, seed=7), chunk=20).heard
    assert heard[0].startswith("20 rows") and heard[-1] == "50 rows, 100 %"


@pytest.mark.parametrize(
    ("most", "refused"),
    [pytest.param("3", 3, id="as-many"), pytest.param("6%", 3, id="share"), pytest.param("", 49, id="not-all")],
)
def test_rows_may_be_refused_up_to_a_limit(answer, most, refused):
    done = answer(with_thick_girths(50, *range(refused)), max_rejects=most)
    assert done.counts["refused"] == len(done.rejects) == refused
    assert done.rejects["row"].tolist() == list(range(1, refused + 1))


@pytest.mark.parametrize(
    ("most", "refused"),
    [pytest.param("2", 3, id="number"), pytest.param("5%", 3, id="share"), pytest.param("", 50, id="all")],
)
def test_beyond_the_limit_there_is_a_report_and_no_table_of_answers(answer, tmp_path, most, refused):
    with pytest.raises(Refusal, match=f"{refused} of 50 rows"):
        answer(with_thick_girths(50, *range(refused)), max_rejects=most)
    assert "thick" in (tmp_path / "report").read_text() and not (tmp_path / "predictions").exists()


def test_a_model_that_is_not_the_one_that_was_meant_answers_nothing(stored, tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_ARTIFACTS", stored().url)
    write_table(trees(5), tmp_path / "table")
    ref, _, digest = stored().mark.partition(" ")
    paths = [str(tmp_path / name) for name in ("table", "predictions", "rejects", "report")]
    with pytest.raises(Refusal, match="another model"):
        predict_file({"use_case": "trees"}, f"{ref} {digest[::-1]}", *paths)
    assert [path.name for path in tmp_path.iterdir()] == ["table"]


@pytest.fixture
def call(stored, tmp_path, monkeypatch):
    """Calls the component's function; returns its exit code, its artifacts and the record that it left."""
    from kfp import dsl

    from components.predict.component import predict

    monkeypatch.setenv("TABPIPE_ARTIFACTS", stored().url)
    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "record.json"))

    def run(table, **changes):
        write_table(table, tmp_path / "table")
        kinds = {"predictions": dsl.Dataset, "rejects": dsl.Dataset, "metrics": dsl.Metrics, "report": dsl.HTML}
        made = {name: kind(name=name, uri=str(tmp_path / name), metadata={}) for name, kind in kinds.items()}
        given = dsl.Dataset(name="table", uri=str(tmp_path / "table"), metadata={"digest": "d-table", "rows": 9})
        try:
            predict.python_func(
                section=json.dumps({"use_case": "trees", **changes}), model=stored().mark, table=given, **made
            )
            code = 0
        except SystemExit as ended:
            code = ended.code
        return code, made, json.loads((tmp_path / "record.json").read_text())

    return run


def test_the_step_leaves_tables_that_name_their_model_and_a_record(stored, call):
    code, made, record = call(with_thick_girths(30, 4))
    ref, _, digest = stored().mark.partition(" ")
    assert code == 0 and record["status"] == "FINISHED"
    for name, rows in (("predictions", 29), ("rejects", 1)):
        described = made[name].metadata
        assert (described["model"], described["model_digest"], described["rows"]) == (ref, digest, rows)
    assert made["metrics"].metadata == {
        "rows": 30,
        "answered": 29,
        "refused": 1,
        "unknown_values": 0,
        "missing_values": 0,
    }
    assert record["tags"]["model"] == ref


def test_a_table_that_the_model_cannot_answer_ends_the_step_with_a_refusal(call, capsys):
    code, _, record = call(trees(10).drop(columns="height"))
    assert code not in (0, None) and record["status"] == "FAILED"
    assert "no column 'height'" in capsys.readouterr().out
