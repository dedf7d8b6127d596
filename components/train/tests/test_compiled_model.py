"""Compiled models answer as scikit-learn does, and serve only where they do."""

import io
import json
import time
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from components.common.inference import ABSENT, load_predictor
from components.common.inference.estimators import FOREST
from components.common.inference.plan import noted_of
from components.common.inference.saved_model import load
from components.common.inference.sklearn_predict import Answers, ask
from components.train.compiling import compile_model
from components.train.tests.trees import section, trees
from components.train.train import train_file

LINEAR = {"model": "linear"}
CASES = {
    "forest": {},
    "forest of one-hot, two-word terms": {
        "features": {"categorical": {"encode": "onehot"}, "text": {"ngrams": 2, "binary": False}}
    },
    "forest of ordinal, case kept": {"features": {"categorical": {"encode": "ordinal"}, "text": {"lowercase": False}}},
    "forest that sees missing numbers": {"features": {"numerical": {"impute": "none", "scale": False}}},
    "forest, missing bark is a category": {
        "features": {"numerical": {"impute": "mean"}, "categorical": {"impute": "constant"}}
    },
    "tree": {"model": "sklearn.tree.DecisionTree{}"},
    "extra trees": {"model": "sklearn.ensemble.ExtraTrees{}", "n_estimators": 10},
    "forest that sees mean targets": {"features": {"categorical": {"encode": "target"}, "date": {"parts": False}}},
    "boosting": {"model": "hist_gradient_boosting", "max_iter": 12},
    "boosting that sees no missing values": {
        "model": "hist_gradient_boosting",
        "max_iter": 12,
        "features": {
            "numerical": {"impute": "mean"},
            "categorical": {"impute": "most_frequent"},
            "date": {"impute": "median"},
        },
    },
    "linear": LINEAR,
    "lightgbm": {"model": "lightgbm", "n_estimators": 12},
    "xgboost": {"model": "xgboost", "n_estimators": 12},
    "neural network": {"model": "neural_network", "max_iter": 20},
    "neural network of two layers": {
        "model": "neural_network",
        "max_iter": 20,
        "hidden_layer_sizes": [8, 5],
        "activation": "tanh",
    },
    "what auto chooses": {"model": "auto"},
}
PATHS = {
    "neighbours": ({"model": "sklearn.neighbors.KNeighbors{}"}, "compiled features"),
    "support vectors": ({"model": "sklearn.svm.SV{}"}, "compiled features"),
    "gradient boosting": ({"model": "sklearn.ensemble.GradientBoosting{}", "n_estimators": 5}, "compiled features"),
}


def _section(make_section, task, changes):
    changes = dict(changes)
    if "{}" in changes.get("model", ""):
        ending = {"sklearn.svm.SV{}": "C" if task == "classification" else "R"}
        changes["model"] = changes["model"].format(
            ending.get(changes["model"], "Classifier" if task == "classification" else "Regressor")
        )
    return make_section(task, **changes)


@pytest.fixture(name="trained")
def trained_model(tmp_path, make_section, table, held_out):
    """Trains as the step does; gives the predictor, the pipeline and the folder."""

    def make(task, changes):
        table.to_parquet(tmp_path / "train")
        held_out.to_parquet(tmp_path / "validation")
        section = _section(make_section, task, changes)
        names = [str(tmp_path / name) for name in ("train", "validation", "model", "report.html")]
        train_file(section.model_dump(), *names)
        folder = tmp_path / "model"
        return load_predictor(folder), load(folder)[0], folder

    return make


def _columns(predictor, table):
    return {name: table[name].to_numpy() for name in predictor.columns}


def _cells(predictor, table):
    """As a JSON request has them."""
    return json.loads(table[list(predictor.columns)].to_json(orient="split", date_format="iso", double_precision=15))


def _assert_equal(found, expected, exactly, most=1e-12):
    if found.predicted.dtype == object:
        assert (found.predicted == expected.predicted).all()
        if expected.probabilities is not None:
            assert np.abs(found.probabilities - expected.probabilities).max() <= (0 if exactly else most)
    else:
        assert np.allclose(found.predicted, expected.predicted, rtol=0 if exactly else 1e-12, atol=0)


def _row(answers, at):
    return Answers(answers.predicted[[at]], None if answers.probabilities is None else answers.probabilities[[at]])


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_a_compiled_model_answers_as_scikit_learn_does(trained, task, changes):
    if (library := changes.get("model")) in ("lightgbm", "xgboost"):
        pytest.importorskip(library, reason=f"{library} is not installed: make estimator MODEL={library}")
    predictor, pipeline, _ = trained(task, changes)
    assert (predictor.path, predictor.why) == ("compiled", "")
    table = trees(rows=400, seed=7)
    expected = ask(pipeline, table)
    # Leaves are added up in scikit-learn's order; exponentials and products of matrices may differ in the last bit.
    exactly = not any(name in str(changes) for name in ("linear", "boosting", "network", "lightgbm", "xgboost", "auto"))
    most = 3e-7 if library == "xgboost" else 1e-12  # it computes probabilities in float32
    _assert_equal(predictor.answer(_columns(predictor, table), len(table)), expected, exactly, most)
    cells = _cells(predictor, table)
    columns = {
        name: list(values) for name, values in zip(cells["columns"], zip(*cells["data"], strict=True), strict=True)
    }
    _assert_equal(predictor.answer(columns, len(table)), expected, exactly, most)
    for row in range(40):
        one = predictor.answer({name: values[row : row + 1] for name, values in columns.items()}, 1)
        _assert_equal(one, _row(expected, row), exactly, most)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(("changes", "path"), PATHS.values(), ids=PATHS)
def test_what_has_no_compiled_form_is_answered_by_scikit_learn(trained, task, changes, path):
    predictor, pipeline, _ = trained(task, changes)
    assert predictor.path == path
    assert "no compiled form" in predictor.why
    table = trees(rows=200, seed=7)
    _assert_equal(predictor.answer(_columns(predictor, table), len(table)), ask(pipeline, table), exactly=False)


def test_a_model_of_sparse_features_is_answered_by_scikit_learn(trained, monkeypatch):
    monkeypatch.setattr("components.train.feature_block._DENSE_BYTES", 1)
    predictor, pipeline, _ = trained("classification", {})
    assert (predictor.path, predictor.why) == ("scikit-learn", "its features are sparse")
    table = trees(rows=200, seed=7)
    found = predictor.answer(_columns(predictor, table), len(table))
    assert (found.predicted == ask(pipeline, table).predicted).all()


def test_a_model_saved_before_models_were_compiled_still_answers(trained):
    import shutil

    before, pipeline, folder = trained("classification", {})
    shutil.rmtree(folder / "compiled")
    predictor = load_predictor(folder)
    assert predictor.path == "scikit-learn"
    assert predictor.columns == before.columns
    table = trees(rows=50, seed=7)
    assert (predictor.answer(_columns(predictor, table), 50).predicted == ask(pipeline, table).predicted).all()


def test_a_compiled_form_that_answers_otherwise_is_not_used(trained, held_out, tmp_path):
    _, pipeline, _ = trained("classification", {})
    other = ask(pipeline, held_out)
    other.predicted[:3] = np.where(other.predicted[:3] == "oak", "ash", "oak")
    (tmp_path / "compiled").mkdir()
    found = compile_model(
        pipeline, noted_of(pipeline, "classification", "kind"), held_out, other, tmp_path / "compiled"
    )
    assert found.path == "scikit-learn"
    assert found.why == "3 of 120 validation rows got another class"
    assert not (tmp_path / "compiled" / FOREST).exists()


@pytest.mark.parametrize("damage", ["cut", "empty", "no plan"])
def test_a_damaged_compiled_model_is_refused(trained, damage):
    from components.common.base.errors import Refusal

    _, _, folder = trained("classification", {})
    if damage == "no plan":
        (folder / "compiled" / "plan.json").write_text("{")
    else:
        forest = folder / "compiled" / FOREST
        forest.write_bytes(forest.read_bytes()[:100] if damage == "cut" else b"")
    with pytest.raises(Refusal, match="compiled"):
        load_predictor(folder)


# --- what rows may hold


@pytest.fixture(name="asked", scope="module")
def asked_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    trees().to_parquet(folder / "train")
    trees(rows=120, seed=1).to_parquet(folder / "validation")
    names = [str(folder / name) for name in ("train", "validation", "model", "report.html")]
    train_file(section("classification").model_dump(), *names)
    return load_predictor(folder / "model")


def _rows(predictor, **cells):
    """Three copies of the example's first row, the second with other cells."""
    columns = {name: [predictor.example[0][name]] * 3 for name in predictor.columns}
    for name, value in cells.items():
        columns[name] = [columns[name][0], value, columns[name][0]]
    return columns


@pytest.mark.parametrize(
    ("cells", "rule"),
    [
        ({"height": "tall"}, "a number"),
        ({"height": float("inf")}, "a finite number"),
        ({"height": [1]}, "a number"),
        ({"height": 10**400}, "a finite number"),
        ({"girth": 1e300}, "a size of at most 3.4e+38"),
        ({"height": np.datetime64("2024-05-31T00:00:00.000000001")}, "a number"),
        ({"height": np.timedelta64(3, "D")}, "a number"),
        ({"seen": "2026-01-01T00:00:00\0"}, "a date as ISO 8601 has it"),
        ({"bark": ["grey"]}, "a string"),
        ({"note": {"a": 1}}, "a string"),
        ({"seen": "yesterday"}, "a date as ISO 8601 has it"),
        ({"seen": "2024-02-30"}, "a date as ISO 8601 has it"),
        ({"seen": "now"}, "a date as ISO 8601 has it"),
        ({"seen": 7}, "a date as ISO 8601 has it"),
        ({"height": ABSENT}, "every row needs this column"),
    ],
    ids=str,
)
def test_a_row_that_is_not_of_the_signature_is_told_and_the_others_are_answered(asked, cells, rule):
    columns = _rows(asked, **cells)
    found = asked.answer(columns, 3)
    (fault,) = found.faults
    assert (fault.row, fault.column) == (1, next(iter(cells)))
    assert fault.value == next(iter(cells.values())) or fault.value is None
    assert fault.rule.startswith(rule)
    assert found.kept.tolist() == [0, 2]
    alone = asked.answer({name: values[:1] for name, values in columns.items()}, 1)
    assert (found.probabilities == alone.probabilities[[0, 0]]).all()


@pytest.mark.parametrize(
    ("cells", "same_as"),
    [
        ({"girth": None}, {"girth": float("nan")}),
        ({"girth": ABSENT}, {"girth": None}),
        ({"height": True}, {"height": 1}),
        ({"height": "True"}, {"height": 1}),
        ({"height": " 3 "}, {"height": 3}),
        ({"height": "nan"}, {"height": None}),
        ({"height": Decimal("3.5")}, {"height": 3.5}),
        ({"note": ABSENT}, {"note": ""}),
        ({"seen": ""}, {"seen": None}),
        ({"bark": 3}, {"bark": "3"}),
        ({"bark": 3.0}, {"bark": "3"}),
        ({"bark": "3.0"}, {"bark": "3"}),
        ({"bark": True}, {"bark": "true"}),
        ({"bark": "True"}, {"bark": "true"}),
        ({"bark": ""}, {"bark": None}),
        ({"seen": "2026-03-01T00:00:00Z"}, {"seen": "2026-03-01"}),
        ({"seen": "2026-03-01T02:00:00+02:00"}, {"seen": "2026-03-01"}),
        ({"seen": "20260301"}, {"seen": "2026-03-01"}),
        ({"seen": "9999-12-31T23:59:59-01:00"}, {"seen": "9999-12-31"}),
        ({"seen": np.datetime64("2026-03-01")}, {"seen": "2026-03-01"}),
    ],
    ids=str,
)
def test_values_may_be_written_in_several_ways(asked, cells, same_as):
    one, other = asked.answer(_rows(asked, **cells), 3), asked.answer(_rows(asked, **same_as), 3)
    assert not one.faults and not other.faults
    assert (one.probabilities == other.probabilities).all()


def test_texts_of_a_csv_are_read_as_the_kinds_of_their_columns(asked):
    columns = _rows(asked, girth="", height=" 12.5e0 ", bark="", note="", seen="")
    texts = {name: [str(v) if v is not None else "" for v in values] for name, values in columns.items()}
    plain = _rows(asked, girth=None, height=12.5, bark=None, note=None, seen=None)
    assert (asked.answer(texts, 3).probabilities == asked.answer(plain, 3).probabilities).all()
    for bad in ("1_000", "inf", "1e400", "12,5", "0x10"):
        (fault,) = asked.answer({**texts, "height": ["3", bad, "3"]}, 3).faults
        assert (fault.row, fault.column, fault.value) == (1, "height", bad)


def test_categories_of_a_csv_are_known_however_the_training_table_wrote_them(tmp_path):
    table, held_out = trees(), trees(rows=120, seed=1)
    for one in (table, held_out):
        one["bark"] = one["bark"].map({"ash": 1.0, "oak": 2.0, "yew": 3.0})  # whole numbers, some missing
        one["place"] = one["place"] == "hill"
    table.to_parquet(tmp_path / "train")
    held_out.to_parquet(tmp_path / "validation")
    names = [str(tmp_path / name) for name in ("train", "validation", "model", "report.html")]
    train_file(section("classification").model_dump(), *names)
    predictor = load_predictor(tmp_path / "model")
    assert predictor.choices == {"bark": ["1", "2", "3"], "place": ["false", "true"]}
    lines = pd.read_csv(io.StringIO(held_out.to_csv(index=False)), dtype=str, keep_default_na=False)
    assert "2.0" in set(lines["bark"]) and "True" in set(lines["place"])
    texts = {name: lines[name].tolist() for name in predictor.columns}
    found = predictor.answer(texts, len(lines))
    assert (found.predicted == predictor.answer(_columns(predictor, held_out), len(lines)).predicted).all()
    assert not found.unknown


def test_a_number_of_very_many_digits_is_refused_at_once(asked):
    texts = {name: ["" if v is None else str(v) for v in values] for name, values in _rows(asked).items()}
    begun = time.monotonic()
    (fault,) = asked.answer({**texts, "height": ["3", "1" * 50_000 + "x", "3"]}, 3).faults
    assert fault.column == "height" and time.monotonic() - begun < 1


def test_unknown_categories_are_served_and_counted(asked):
    found = asked.answer(_rows(asked, bark="plaid", place=None), 3)
    assert (len(found.predicted), found.unknown) == (3, {"bark": 1})


def test_an_absent_column_is_named(asked):
    from components.common.base.errors import Refusal

    columns = _rows(asked)
    columns["heigth"] = columns.pop("height")
    with pytest.raises(Refusal, match="missing that the model needs: height") as refusal:
        asked.answer(columns, 3)
    assert "heigth" in refusal.value.mend


def test_all_rows_refused_is_an_empty_answer(asked):
    found = asked.answer(_rows(asked, height="x") | {"height": ["x"] * 3}, 3)
    assert (len(found.kept), len(found.predicted), found.probabilities.shape) == (0, 0, (0, 3))
    assert [fault.row for fault in found.faults] == [0, 1, 2]
