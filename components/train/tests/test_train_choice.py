"""What `train.model: auto` chooses, and what is served after it."""

import json

import numpy as np
import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from components.common.base.errors import Refusal
from components.common.inference import load_predictor
from components.common.inference.sklearn_predict import ask
from components.train import choice as choosing
from components.train.choice_report import choice_section
from components.train.tests.trees import trees
from components.train.train import train, train_file


@pytest.fixture(name="quick", autouse=True)
def few_iterations(monkeypatch):
    """Few iterations and trees."""
    boosting, forest = choosing.candidates.__globals__["_boosting"], choosing.candidates.__globals__["_forest"]

    def short(task, seed, *, max_iter, **settings):
        return boosting(task, seed, max_iter=min(max_iter, 20), **settings)

    def small(*asked):
        found = forest(*asked)
        found.estimator.set_params(n_estimators=8)
        return found

    monkeypatch.setattr("components.train.candidates._boosting", short)
    monkeypatch.setattr("components.train.candidates._forest", small)


def skewed(rows, seed):
    table = trees(rows, seed)
    return table.assign(age=np.exp(table["age"].fillna(table["age"].mean()) / 200))


def test_a_blend_is_chosen_by_its_error_on_rows_that_its_members_have_not_seen(make_section, table, held_out):
    found = train(make_section(model="auto"), table, held_out)
    names = [one.candidate.name for one in found.choice.tried]
    assert names == ["boosting"] * 2 + ["forest"] + ["linear"] * 4
    assert sum(one.weight for one in found.choice.tried) == pytest.approx(1)
    assert found.choice.words.startswith("a blend of ") and "iterations" in found.choice.tried[0].candidate.settings
    alone = min(one.error for one in found.choice.tried)
    assert found.scores.values["log_loss"] < 1.1 * alone
    page = str(choice_section(found.choice))
    assert "logistic regression, C 0.3" in page and "log loss" in page


def test_the_logarithm_of_a_skewed_target_is_tried_and_compiled(make_section, tmp_path):
    skewed(300, 0).to_parquet(tmp_path / "train")
    skewed(120, 1).to_parquet(tmp_path / "validation")
    section = make_section("regression", model="auto")
    names = [str(tmp_path / name) for name in ("train", "validation", "model", "report.html")]
    done = train_file(section.model_dump(), *names)
    assert done["metadata"]["model"] == "auto" and "linear" in done["metadata"]["chosen"]
    predictor = load_predictor(tmp_path / "model")
    assert predictor.path == "compiled"
    members = json.loads((tmp_path / "model/compiled/plan.json").read_text())["estimator"]["members"]
    assert "logarithm" in [one["link"] for one in members]
    assert "ridge regression of the target" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_large_table_is_given_to_boosting_at_once(make_section, table, held_out, task, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_ROWS", 200)
    found = train(make_section(task, model="auto"), table, held_out)
    assert found.choice.words == "boosting" and found.choice.tried[0].error is None
    assert found.pipeline[-1].max_iter == found.scored[-1].n_iter_ and not found.pipeline[-1].early_stopping


@pytest.mark.parametrize("model", ["auto", "linear"])
def test_what_is_served_has_learnt_from_both_splits(make_section, table, held_out, model):
    kept = train(make_section("regression", model=model, refit=False), table, held_out)
    assert kept.scored is kept.pipeline
    found = train(make_section("regression", model=model), table, held_out)
    assert found.scores == kept.scores
    np.testing.assert_array_equal(found.answers.predicted, ask(found.scored, held_out).predicted)
    whole = pd.concat([table, held_out])
    alone = train(make_section("regression", model=model, refit=False), whole, held_out) if model == "linear" else None
    if alone:
        np.testing.assert_array_equal(ask(found.pipeline, whole).predicted, ask(alone.pipeline, whole).predicted)
    assert not np.array_equal(ask(found.pipeline, held_out).predicted, found.answers.predicted)


def test_a_class_that_only_the_validation_split_has_is_learnt_by_what_is_served(make_section, table, held_out):
    found = train(make_section(model="auto"), table[table["kind"] != "yew"], held_out)
    assert found.classes == ["ash", "oak"] and list(found.pipeline[-1].classes_) == ["ash", "oak", "yew"]
    assert any("yew" in note for note in found.scores.notes)


def test_a_class_of_very_few_rows_can_be_learnt(make_section, table, held_out):
    rare = table["kind"].where(table.index > 1, "elm")
    found = train(make_section(model="auto"), table.assign(kind=rare), held_out)
    assert "elm" in found.classes


def test_hyperparameters_beside_auto_are_refused(make_section):
    from components.common.config.estimators import refuse_unknown_early

    with pytest.raises(Refusal, match=r"(?s)train.max_depth: auto chooses.*train.model=hist_gradient_boosting"):
        refuse_unknown_early("auto", "classification", ["max_depth"])


def test_rows_of_a_group_stay_in_one_fold_where_the_splits_keep_them_together(make_section):
    table, held_out = trees(200, 0), trees(80, 1)
    # The plot's height tells the plot, and with it the kind, of plots that are known; of others it says nothing.
    for split, first, seed in ((table, 0, 0), (held_out, 40, 1)):
        plots = np.arange(len(split)) // 5
        split["plot"], split["height"] = (first + plots).astype(str), first + plots
        split["kind"] = np.random.default_rng(seed).choice(["oak", "ash"], plots.max() + 1)[plots]
    asked = make_section(model="auto", features={"use": ["height"]})
    apart, mixed = (
        train(asked.model_copy(update={"group": group}), table, held_out).choice.tried for group in ("plot", None)
    )
    assert mixed[0].error < 0.5 < 0.6 < apart[0].error


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_same_bytes_are_chosen_whatever_the_number_of_threads(make_section, table, held_out, tmp_path, task):
    table.to_parquet(tmp_path / "train")
    held_out.to_parquet(tmp_path / "validation")
    section = make_section(task, model="auto").model_dump()
    paths = [str(tmp_path / name) for name in ("train", "validation", "model", "report.html")]
    digests = []
    for threads in (1, 4):
        with threadpool_limits(threads):
            digests.append(train_file(section, *paths)["digest"])
    assert digests[0] == digests[1]


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_columns_of_hardly_any_value_can_be_learnt_from(make_section, table, held_out, task):
    at = table["girth"].first_valid_index()  # in one fold no row has a value to learn from
    sparse = {name: table[name].where(table.index == at) for name in ("girth", "bark", "seen")}
    sparse["note"] = table["note"].where(table.index == at, "").fillna("")
    found = train(make_section(task, model="auto"), table.assign(**sparse), held_out)
    assert found.choice.members and len(found.answers.predicted) == len(held_out)


def test_a_rare_column_is_no_reason_for_boosting_that_stops_by_itself_to_fail(make_section, monkeypatch):
    monkeypatch.setattr(choosing, "MOST_ROWS", 200)
    table, held_out = trees(4000, 0), trees(120, 1)
    rare = table.assign(girth=table["girth"].fillna(80).where(table.index == 15))  # row 15 is held back to stop by
    assert train(make_section(model="auto"), rare, held_out).choice.words == "boosting"
