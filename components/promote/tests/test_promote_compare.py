import shutil

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from components.common.base.errors import Refusal
from components.promote.compare import compare
from components.promote.leakage import untouched_rows
from components.promote.signatures import differences


def test_both_models_are_scored_on_the_same_rows(section, saved, test_rows):
    import mlflow.sklearn

    good, poor = saved(), saved(depth=1)
    found = compare(section(metric="accuracy"), good, poor, test_rows, [])
    for one, path in ((found.candidate, good), (found.champion, poor)):
        predicted = mlflow.sklearn.load_model(path).predict(test_rows)
        assert one.scores.values["accuracy"] == metrics.accuracy_score(test_rows["kind"], predicted)
        assert one.estimator == "DecisionTreeClassifier" and one.latency_ms > 0 and one.bytes > 1000
    assert found.difference == pytest.approx(
        found.candidate.scores.values["accuracy"] - found.champion.scores.values["accuracy"]
    )
    assert found.interval[0] < found.difference < found.interval[1] and found.resamples == 200
    assert (found.rows, found.left_out, found.unfit, found.signature) == (500, 0, "", [])


def test_the_lower_error_is_the_better_one(section, saved, test_rows):
    good, poor = saved("regression"), saved("regression", depth=2)
    found = compare(section("regression"), good, poor, test_rows, [])
    assert found.difference > 0 and found.interval[0] > 0
    assert compare(section("regression"), poor, good, test_rows, []).difference == -found.difference


def test_the_first_model_stands_alone(section, saved, test_rows):
    found = compare(section(), saved(), None, test_rows, None)
    assert (found.champion, found.unfit, found.difference, found.interval, found.slices) == (None, "", None, None, [])
    assert found.candidate.scores.values["accuracy"] > 0.9 and found.rows == 500


def test_rows_that_the_champion_was_trained_on_are_left_out_for_both(section, saved, test_rows):
    import mlflow.sklearn

    seen = [test_rows.iloc[:120].sample(frac=1, random_state=0), test_rows.iloc[100:200]]
    found = compare(section(metric="accuracy"), saved(), saved(depth=1), test_rows, seen)
    assert (found.rows, found.left_out) == (300, 200)
    left = test_rows.iloc[200:]
    for one, path in ((found.candidate, saved()), (found.champion, saved(depth=1))):
        predicted = mlflow.sklearn.load_model(path).predict(left)
        assert one.scores.values["accuracy"] == metrics.accuracy_score(left["kind"], predicted)


def test_what_the_champion_was_trained_on_may_be_unknown(section, saved, test_rows):
    found = compare(section(), saved(), saved(depth=1), test_rows, None)
    assert found.left_out is None and found.difference is not None


@pytest.mark.parametrize(("rows", "left"), [(500, 0), (500, 49), (40, 29)], ids=["none", "less-than-a-tenth", "few"])
def test_too_few_untouched_rows_are_no_comparison(section, saved, test_rows, rows, left):
    test = test_rows.iloc[:rows]
    found = compare(section(), saved(), saved(depth=1), test, [test.iloc[left:]])
    assert found.unfit == f"only {left} of {rows} test rows are untouched by the champion"
    assert found.champion is None and found.difference is None and found.rows == rows


def test_slices_that_lose_most_stand_first(section, saved, make_houses):
    import mlflow.sklearn

    test = make_houses(500, seed=1, north_off=True)
    found = compare(section(), saved(), saved(columns=("rooms",)), test.fillna({"rooms": 3}), [])
    lost = [one.lost for one in found.slices]
    assert lost == sorted(lost, reverse=True)
    by_name = {(one.column, one.name): one for one in found.slices}
    assert {column for column, _ in by_name} == {"class of kind", "place"}
    north = by_name["place", "north"]
    mine = test[test["place"] == "north"]
    assert north.rows == len(mine)
    assert north.candidate == (mlflow.sklearn.load_model(saved()).predict(mine) == mine["kind"]).mean()
    assert north.lost == north.champion - north.candidate > 0


def test_an_error_is_lost_by_the_share_that_it_grew(section, saved, test_rows):
    found = compare(section("regression"), saved("regression", depth=2), saved("regression"), test_rows, [])
    assert {one.column for one in found.slices} == {"place"}
    for one in found.slices:
        assert one.lost == pytest.approx(one.candidate / one.champion - 1)


@pytest.mark.parametrize(
    ("champion", "change", "unfit"),
    [
        ({"columns": ("size", "rooms", "price")}, lambda t: t.drop(columns="price"), "are absent: price"),
        ({"task": "regression"}, lambda t: t, "it is a regressor"),
        ({"columns": ("price",)}, lambda t: t.assign(price="dear"), "it cannot answer these rows"),
    ],
    ids=["column", "task", "values"],
)
def test_a_champion_that_cannot_be_asked_is_no_fault_of_the_candidate(
    section, saved, test_rows, champion, change, unfit
):
    found = compare(section(), saved(), saved(**champion), change(test_rows), [])
    assert unfit in found.unfit and found.champion is None and found.difference is None
    assert found.signature and found.candidate.scores.values["accuracy"] > 0.9


def test_a_champion_that_is_damaged_is_no_fault_of_the_candidate(section, saved, test_rows, tmp_path):
    broken = shutil.copytree(saved(depth=1), tmp_path / "broken")
    (broken / "model.pkl").write_bytes(b"no pickle")
    assert "cannot be loaded" in compare(section(), saved(), str(broken), test_rows, []).unfit
    (broken / "MLmodel").unlink()
    assert compare(section(), saved(), str(broken), test_rows, []).unfit == "no saved model"


def test_models_that_know_different_classes_are_compared(section, saved, test_rows):
    found = compare(section(metric="accuracy"), saved(), saved(kinds=("hut", "house")), test_rows, [])
    assert found.signature == ["class villa is new"]
    assert found.difference > 0.2 and found.interval[0] > 0


@pytest.mark.parametrize(
    ("change", "given", "problem"),
    [
        (lambda t: t.drop(columns="size"), {}, r"column\(s\) missing that the model needs: size"),
        (lambda t: t.drop(columns="kind"), {}, "the target is missing"),
        (lambda t: t.assign(size="large"), {}, "the model cannot answer"),
        (lambda t: t, {"slices": ["plce"]}, "did you mean 'place'"),
        (lambda t: t, {"task": "regression", "target": "price"}, "the model is a classifier"),
    ],
    ids=["column", "target", "wrong-type", "slice", "task"],
)
def test_a_candidate_that_cannot_be_scored_is_refused(section, saved, test_rows, change, given, problem):
    with pytest.raises(Refusal, match=problem):
        compare(section(**given), saved(), saved(depth=1), change(test_rows), [])


def test_a_candidate_without_a_signature_is_refused(section, saved, test_rows, tmp_path):
    import mlflow.sklearn

    model = mlflow.sklearn.load_model(saved())
    mlflow.sklearn.save_model(
        model, str(tmp_path / "m"), pip_requirements=[], skops_trusted_types=[], serialization_format="cloudpickle"
    )
    with pytest.raises(Refusal, match="no signature"):
        compare(section(), str(tmp_path / "m"), None, test_rows, None)


def test_two_signatures_are_told_apart_in_words():
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    def signature(answer, *columns):
        return ModelSignature(
            Schema([ColSpec(*one[:2], required=len(one) < 3) for one in columns]), Schema([ColSpec(answer)])
        )

    new = signature("double", ("string", "title"), ("double", "tempo"), ("double", "year"))
    old = signature("string", (AnyType(), "title"), ("double", "key"), ("double", "year", "optional"))
    assert differences(new, old, ["jazz", "pop"], ["pop", "rock"]) == [
        "column tempo is new",
        "column key is gone",
        "title: text, was any",
        "year: required, was optional",
        "answers are double, were string",
        "class jazz is new",
        "class rock is gone",
    ]
    assert differences(new, new, None, None) == []
    assert differences(new, new, list("abcdef"), ["a"]) == ["5 classes are new: b, c, d, e and 1 more"]


def test_the_order_of_columns_is_no_difference():
    from mlflow.models import infer_signature

    one, other = (infer_signature(pd.DataFrame({n: [1.5] for n in names}), np.array([1.5])) for names in ("ab", "ba"))
    assert differences(one, other, None, None) == []


@pytest.mark.parametrize(
    ("mine", "theirs", "fresh"),
    [
        ([1, 2, 3], [2.0, 9.0], [True, False, True]),
        ([1.5, None], [None, 2.5], [True, False]),
        (["a", None, "b"], [None, "b"], [True, False, False]),
        ([0.0, 1.0], [-0.0], [False, True]),
        ([True, False], [1, 1], [False, True]),
        (["1", "2"], [1, 3], [False, True]),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), ["2020-01-02 00:00:00"], [True, False]),
        (pd.Categorical(["a", "b"]), ["b"], [True, False]),
        (pd.array([1, None], dtype="Int64"), [np.nan, 7], [True, False]),
        ([1, 2], [], [True, True]),
    ],
    ids=["ints", "nan", "none", "zero", "bool", "text-number", "dates", "category", "nullable", "empty"],
)
def test_rows_are_told_by_what_they_hold(mine, theirs, fresh):
    assert untouched_rows(pd.DataFrame({"x": mine}), [pd.DataFrame({"x": theirs})]).tolist() == fresh


def test_rows_are_compared_by_the_columns_of_both_tables():
    test = pd.DataFrame({"a": [1, 1, 2], "b": ["x", "y", "x"], "new": [1, 2, 3]})
    seen = pd.DataFrame({"gone": [0, 0], "b": ["y", "z"], "a": [1, 2]})
    assert untouched_rows(test, [seen]).tolist() == [True, False, True]
    assert untouched_rows(test, [seen[["gone"]]]).tolist() == [True, True, True]
    assert untouched_rows(test, []).tolist() == [True, True, True]
