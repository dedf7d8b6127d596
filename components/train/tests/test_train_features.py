import numpy as np
import pandas as pd
import pytest

from components.common.base.errors import Refusal
from components.common.inference.values import date_parts
from components.train.feature_block import feature_block, native_features, origins, target_type
from components.train.features import plan
from components.train.models import make_estimator
from components.train.shipped import shipped
from components.train.styles import resolved, style_of, takes_categories
from components.train.transformers import Columns, Dates


def fitted(section, table, sparse=False):
    """The columns that the model makes, the fitted features, and the features of the table."""
    asked, transformers = plan(section), shipped()
    columns = transformers.Columns(asked.raw, list(asked.features), asked.derive, list(asked.raw))
    typed = columns.transform(table)
    estimator = make_estimator(section)
    truth = table[section.target].to_numpy()
    asked = resolved(asked, style_of(estimator), takes_categories(estimator), typed)
    block = feature_block([asked], transformers, typed, sparse, target_type(section.task, truth), section.seed)
    return columns, block, block.fit_transform(typed, truth)


def of(block, values, column):
    """The features that are made of one column."""
    return values[:, [name == column for name in origins(block)]]


def test_by_default_all_is_used_but_identifiers_the_target_and_joined_texts(make_section):
    asked = plan(make_section())
    assert list(asked.features) == ["girth", "height", "bark", "place", "seen", "remark", "slim", "gap"]
    assert asked.features["remark"] == "text" and asked.features["slim"] == "numerical"
    assert asked.raw == {
        "girth": "numerical",
        "height": "numerical",
        "bark": "categorical",
        "place": "categorical",
        "note": "text",
        "by": "text",
        "seen": "date",
    }


def test_the_columns_to_use_can_be_named(make_section):
    asked = plan(make_section(features={"use": ["note", "slim"]}))
    assert list(asked.features) == ["note", "slim"]
    assert asked.raw == {"girth": "numerical", "height": "numerical", "note": "text"}
    assert list(asked.derive) == ["slim"]


def test_a_derived_column_may_be_made_of_another(make_section):
    derive = {"gap": {"difference": ("girth", "height")}, "share": {"ratio": ("gap", "girth")}}
    asked = plan(make_section(derive=derive, features={"use": ["share"]}))
    assert list(asked.derive) == ["gap", "share"] and list(asked.raw) == ["girth", "height"]


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"use": ["girht"]}, "did you mean 'girth'"),
        ({"use": ["kind"]}, "the target cannot be a feature"),
        ({"use": ["id"]}, "an identifier cannot be a feature"),
        ({"use": []}, "no column is left"),
        ({"columns": {"girht": {"scale": False}}}, "did you mean 'girth'"),
        ({"columns": {"girth": {"encode": "onehot"}}}, "girth is numerical, which has no such setting"),
        ({"columns": {"girth": {"impute": "most_frequent"}}}, "not a way for a numerical column"),
        ({"columns": {"note": {"max_features": 3}}}, "settings for a column that is no feature"),
    ],
    ids=["misspelt", "target", "identifier", "none", "settings-misspelt", "wrong-setting", "wrong-impute", "unused"],
)
def test_features_that_cannot_be_are_refused(make_section, features, problem):
    with pytest.raises(Refusal, match=problem):
        plan(make_section(features=features))


@pytest.mark.parametrize("impute", ["median", "mean"])
def test_numbers_are_imputed_and_scaled_by_the_training_rows(make_section, table, impute):
    numerical = {"impute": impute, "scale": True}
    columns, block, values = fitted(make_section(features={"use": ["girth"], "numerical": numerical}), table)
    assert values.shape == (300, 1)
    np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-12)
    stand_in = table["girth"].agg(impute)
    filled = table["girth"].fillna(stand_in)
    unseen = block.transform(columns.transform(pd.DataFrame({"girth": [None, 100]})))
    wanted = (np.array([stand_in, 100]) - filled.mean()) / filled.std(ddof=0)
    np.testing.assert_allclose(unseen[:, 0], wanted, atol=1e-12)


def test_missing_numbers_can_be_left_to_the_model(make_section, table):
    numerical = {"impute": "none", "scale": False}
    _, _, values = fitted(make_section(features={"use": ["girth"], "numerical": numerical}), table)
    np.testing.assert_array_equal(values[:, 0], table["girth"])


@pytest.mark.parametrize(
    ("encode", "unknown", "missing"),
    [("onehot", [0, 0], [1, 0]), ("ordinal", [-1], [0])],
)
def test_categories_are_encoded_and_unknown_ones_are_served(make_section, table, encode, unknown, missing):
    features = {"use": ["bark"], "categorical": {"encode": encode, "impute": "most_frequent"}}
    kept = table[table["bark"] != "grey"]
    columns, block, _ = fitted(make_section(features=features), kept.assign(bark=kept["bark"].replace("yew", "ash")))
    found = block.transform(columns.transform(pd.DataFrame({"bark": ["fir", None, "oak"]}))).tolist()
    assert found[0] == unknown and found[1] == missing
    assert found[2] == ([0, 1] if encode == "onehot" else [1])


def test_boosting_takes_categories_and_missing_values_as_they_are(make_section, table):
    section = make_section(model="hist_gradient_boosting", max_iter=5, features={"use": ["girth", "bark"]})
    columns, block, values = fitted(section, table)
    np.testing.assert_array_equal(values[:, 0], table["girth"])
    assert native_features(block) == [1]
    found = block.transform(columns.transform(pd.DataFrame({"girth": [1, None, 2], "bark": ["oak", None, "fir"]})))
    np.testing.assert_array_equal(
        found, [[1, sorted(table["bark"].dropna().unique()).index("oak")], [np.nan] * 2, [2, np.nan]]
    )


def test_a_column_of_many_categories_is_target_encoded_by_the_other_rows(make_section, table):
    many = table.assign(place=[f"place {at % 100}" for at in range(len(table))])
    features = {"use": ["place"]}
    columns, block, values = fitted(make_section("regression", features=features), many)
    means = many.groupby("place")["age"].mean()
    found = block.transform(columns.transform(pd.DataFrame({"place": ["place 7", "nowhere", None]})))[:, 0]
    low, high = sorted([means["place 7"], many["age"].mean()])
    assert low < found[0] < high and found[1] == found[2] == pytest.approx(many["age"].mean())
    assert (values[7::100, 0] != found[0]).all()  # no row has seen its own target
    _, block, values = fitted(make_section(features=features), many)
    assert values.shape == (300, 3)  # of three classes each has a mean


def test_a_linear_model_is_told_what_was_missing_and_shares_a_feature_among_rare_categories(make_section, table):
    rare = table.assign(place=table["place"].where(table.index > 3, ["moor", "fen", "fen", "moor"] * 75))
    columns, block, values = fitted(make_section(model="linear", features={"use": ["girth", "place"]}), rare)
    assert origins(block) == ["girth", "girth", "place", "place", "place", "place"]
    np.testing.assert_array_equal(values[:, 1] > 0, rare["girth"].isna())
    found = block.transform(
        columns.transform(pd.DataFrame({"girth": [1] * 4, "place": ["moor", "fen", "sea", "hill"]}))
    )
    assert found[:, 2:].tolist() == [[0, 0, 0, 1]] * 3 + [[1, 0, 0, 0]]


@pytest.mark.parametrize(
    ("model", "table_change", "problem"),
    [
        ("linear", {}, "does not take categories as they are"),
        ("hist_gradient_boosting", {"bark": [f"{at}" for at in range(300)]}, "too many categories"),
    ],
    ids=["model", "column"],
)
def test_native_categories_are_refused_where_the_model_cannot_have_them(
    make_section, table, model, table_change, problem
):
    features = {"use": ["bark"], "categorical": {"encode": "native"}}
    with pytest.raises(Refusal, match=problem):
        fitted(make_section(model=model, features=features), table.assign(**table_change))


def test_missing_can_be_a_category_of_its_own(make_section, table):
    features = {"use": ["bark"], "columns": {"bark": {"impute": "constant"}}}
    columns, block, values = fitted(make_section(features=features), table)
    assert values.shape[1] == 5
    found = block.transform(columns.transform(pd.DataFrame({"bark": [None, "(missing)"]})))
    np.testing.assert_array_equal(found[0], found[1])


def test_texts_become_tf_idf_of_their_words_and_missing_ones_are_empty(make_section, table):
    features = {"use": ["note"], "text": {"max_features": 3}}
    columns, block, values = fitted(make_section(features=features), table)
    assert values.shape[1] == 3
    empty, old, twice = block.transform(columns.transform(pd.DataFrame({"note": [None, "Old", "old old"]})))
    assert not empty.any() and old.max() == 1
    np.testing.assert_array_equal(old, twice)


def test_a_column_can_have_settings_of_its_own(make_section, table):
    features = {"text": {"max_features": 2}, "columns": {"remark": {"max_features": 4, "ngrams": 2}}}
    _, block, values = fitted(make_section(features=features), table)
    assert of(block, values, "remark").shape[1] == 4


@pytest.mark.parametrize("as_string", [False, True], ids=["datetimes", "iso-strings"])
def test_dates_become_days_before_the_latest_training_date(make_section, table, as_string):
    asked = table.assign(seen=table["seen"].dt.strftime("%Y-%m-%d")) if as_string else table
    features = {"use": ["seen"], "date": {"parts": False}}
    columns, block, values = fitted(make_section(features=features), asked)
    before = (table["seen"].max() - table["seen"]).dt.days
    np.testing.assert_array_equal(values[:, 0], before.fillna(before.median()))
    latest = table["seen"].max()
    later = pd.DataFrame(
        {"seen": [(latest + pd.Timedelta(days=7)).isoformat(), None, f"{latest:%Y-%m-%d}T12:00:00+00:00"]}
    )
    np.testing.assert_array_equal(block.transform(columns.transform(later))[:, 0], [-7, before.median(), -0.5])


def test_derived_columns_in_the_input_are_ignored_and_made_anew(make_section, table):
    columns, block, values = fitted(make_section(), table)
    wrong = table.assign(remark="nonsense", slim=-1.0, gap=1e9)
    np.testing.assert_array_equal(block.transform(columns.transform(wrong)), values)


def test_a_ratio_by_zero_is_missing():
    asked = Columns({"a": "numerical", "b": "numerical"}, ["c"], {"c": {"ratio": ["a", "b"]}})
    found = asked.transform(pd.DataFrame({"a": [1, 0, 6], "b": [0, 0, 3]}))["c"]
    np.testing.assert_array_equal(found, [np.nan, np.nan, 2])


@pytest.mark.parametrize(
    ("kind", "given", "made"),
    [
        ("numerical", [1, None, "2.5", True], [1.0, np.nan, 2.5, 1.0]),
        ("categorical", ["a", None, 3, 3.0, True], ["a", np.nan, "3", "3", "true"]),
        ("text", ["a", None, float("nan"), 7], ["a", "", "", "7"]),
    ],
    ids=["numerical", "categorical", "text"],
)
def test_values_of_requests_get_the_type_of_their_kind(kind, given, made):
    found = Columns({"x": kind}, ["x"]).transform(pd.DataFrame({"x": pd.Series(given, dtype=object)}))["x"]
    pd.testing.assert_series_equal(found, pd.Series(made, name="x", dtype="float64" if kind == "numerical" else object))


def test_an_absent_column_is_missing_where_optional_and_refused_by_name_elsewhere():
    asked = Columns({"x": "categorical", "t": "text", "y": "numerical"}, ["x", "t", "y"], optional=["x", "t"])
    made = asked.transform(pd.DataFrame({"y": [1]}))
    assert made["x"].isna().all()
    assert made["t"].tolist() == [""]
    with pytest.raises(ValueError, match=r"missing column\(s\): y"):
        asked.transform(pd.DataFrame({"x": ["a"]}))


def test_the_model_fills_what_preprocess_would_fill():
    kinds = {"x": "categorical", "y": "numerical", "when": "date"}
    fill = {"x": "none", "y": -1, "when": 2.0}
    asked = Columns(kinds, list(kinds), optional=["x"], fill=fill)
    made = asked.transform(pd.DataFrame({"y": [1.5, None], "when": ["1970-01-02", None]}))
    assert made.to_dict("list") == {"x": ["none", "none"], "y": [1.5, -1.0], "when": [1.0, 2.0]}


def test_a_value_that_is_not_of_its_kind_names_the_column():
    with pytest.raises(ValueError, match=r"column girth \(numerical\).*thick"):
        Columns({"girth": "numerical"}, ["girth"]).transform(pd.DataFrame({"girth": ["thick"]}))


@pytest.mark.parametrize("fill", [True, False], ids=["filled", "left"])
def test_dates_have_the_parts_that_vary(fill):
    texts = ["2026-03-01T13:00", "2025-03-07T13:00", None, "2026-03-02T13:00"]
    dates = Columns({"at": "date"}, ["at"]).transform(pd.DataFrame({"at": texts})).to_numpy()
    found = Dates(fill=fill).fit(dates)
    assert found.parts_ == [["year", "weekday"]]
    missing = [1, 2026, 4] if fill else [np.nan] * 3
    np.testing.assert_array_equal(found.transform(dates), [[1, 2026, 6], [360, 2025, 4], missing, [0, 2026, 0]])


def test_every_hour_of_a_day_is_found():
    parts = date_parts(20_000 + np.arange(24) / 24)
    np.testing.assert_array_equal(parts["hour"], np.arange(24))
    assert set(parts["month"]) == {10} and set(parts["year"]) == {2024}


def test_dates_of_several_columns_have_a_latest_each():
    found = Dates(parts=False).fit_transform(np.array([[10.0, 1.0], [np.nan, 3.0], [4.0, np.nan]]))
    np.testing.assert_array_equal(found, [[0, 2], [3, 0], [6, 1]])


def test_each_feature_knows_its_column(make_section, table):
    features = {"text": {"max_features": 3}, "columns": {"place": {"encode": "ordinal"}}}
    _, block, values = fitted(make_section(features=features), table)
    counts = {name: origins(block).count(name) for name in plan(make_section(features=features)).features}
    assert counts == {"girth": 1, "height": 1, "bark": 5, "place": 1, "seen": 3, "remark": 3, "slim": 1, "gap": 1}
    assert sum(counts.values()) == values.shape[1]
    assert set(np.unique(of(block, values, "bark"))) == {0, 1} and set(of(block, values, "place")[:, 0]) == {0, 1, 2}


def test_wide_features_are_sparse_and_equal(make_section, table, monkeypatch):
    _, block, dense = fitted(make_section(), table)
    monkeypatch.setattr("components.train.feature_block._DENSE_BYTES", 1)
    _, wide, sparse = fitted(make_section(), table, sparse=True)
    np.testing.assert_array_equal(sparse.toarray(), dense)
    assert origins(wide) == origins(block)
