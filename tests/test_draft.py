"""What `init` reads from a table: the decisions of an expert, with their reasons, in a config that runs."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml

from components.check_data.check_data import check_file
from components.common.base.errors import Refusal
from components.download.download import download_file
from components.preprocess.preprocess import preprocess_file
from tabpipe.cli.main import main
from tabpipe.config import load
from tabpipe.draft import as_yaml, draft, source, survey
from tests.test_cases import CASES


def drafted(table, target="y", **reading):
    """The draft of a table, and what its YAML says once it was accepted as a config."""
    from components.common.config.reading import Reading

    found = draft(str(table), target, Reading.model_validate(reading))
    return found, yaml.safe_load(as_yaml(found))


def written(frame, tmp_path, name="table.csv"):
    """The path of a CSV of a frame, or of columns."""
    path = tmp_path / name
    pd.DataFrame(frame).to_csv(path, index=False)
    return path


X = {"x": np.arange(300) % 7 / 2, "y": np.random.default_rng(7).choice(["a", "b"], 300)}
"""Columns beside those that a test is about."""


@pytest.mark.parametrize(
    ("file", "target", "wanted"),
    [
        ("euro.csv", "y", {"download.decimal": ",", "download.delimiter": ";", "columns.x": "numerical"}),
        ("question.csv", "y", {"download.missing": ["?"], "columns.horsepower": "numerical"}),
        ("m999.csv", "y", {"download.missing": None, "columns.m999": "numerical"}),
        ("thousands.csv", "y", {"download.columns.price": {"thousands": ","}, "columns.price": "numerical"}),
        (
            "currency_target.csv",
            "price",
            {"download.columns.price": {"currency": "$", "thousands": ","}, "task": "regression"},
        ),
        ("dmy.csv", "y", {"columns.when": "date", "download.columns.when": {"format": "%d/%m/%Y"}}),
        ("bool01float.csv", "y", {"task": "classification", "check_data.columns.y.classes": ["0", "1"]}),
        ("boolt.csv", "y", {"task": "classification", "check_data.columns.y.classes": ["false", "true"]}),
        ("count.csv", "y", {"task": "regression", "columns.y": "numerical"}),
        ("missing_target_text.csv", "y", {"preprocess.drop_missing_target": True}),
        ("uniqueint.csv", "y", {"columns.population": "numerical"}),
        ("allmissing.csv", "y", {"columns.empty": None}),
        ("trailing_comma.csv", "y", {"columns.Unnamed: 4": None}),
        ("list.parquet", "y", {"columns.l": None, "columns.x": "numerical"}),
        ("struct.parquet", "y", {"columns.s": None, "columns.x": "numerical"}),
        ("types.parquet", "y", {"columns.dec": "numerical", "columns.ts": "date", "columns.nul": "numerical"}),
        ("decimal-ids.parquet", "y", {"columns.order_no": "identifier"}),
        ("mixtarget.jsonl", "y", {"task": "classification", "check_data.columns.y.classes": ["0", "1", "2", "a"]}),
        ("latin1.csv", "y", {"download.encoding": "cp1252", "columns.Ärea": "numerical"}),
        ("member.csv", "outcome", {"columns.member": "categorical", "columns.floor": "numerical"}),
        *((file, "y", {"columns.x": "numerical", "columns.g": "categorical"}) for file in ("book.xlsx", "t.feather")),
        *((file, "y", {"columns.x": "numerical"}) for file in ("array.json", "t.csv.bz2", "t.zip", "t.csv.zst")),
        *((file, "y", {"columns.x": "numerical"}) for file in ("utf16.csv", "spark.parquet", "base.csv")),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_a_table_is_read_as_an_expert_reads_it(file, target, wanted):
    _, config = drafted(CASES / file, target)
    for path, value in wanted.items():
        found = config
        for key in path.split("."):
            found = (found or {}).get(key)
        assert found == value, path


def test_what_is_drafted_is_what_the_steps_read_and_check(tmp_path):
    clean = {}
    for name in ("base", "euro"):
        (tmp_path / "config.yaml").write_text(as_yaml(drafted(CASES / f"{name}.csv")[0]))
        sections = load(str(tmp_path / "config.yaml")).arguments("config")
        steps = {step: json.loads(section) for step, section in sections.items()}
        raw, table = tmp_path / f"{name}.raw", tmp_path / f"{name}.clean"
        download_file(steps["download"], "", raw)
        preprocess_file(steps["preprocess"], raw, table)
        check_file(steps["check_data"], str(table), "", str(tmp_path / name), str(tmp_path / "report.html"))
        clean[name] = pd.read_parquet(tmp_path / name)
    assert clean["euro"].equals(clean["base"])


@pytest.mark.parametrize(
    ("file", "target", "said"),
    [
        ("missing_target_text.csv", "y", "6 of 300 rows (2.0%) have no target"),
        ("m999.csv", "y", "# columns: {m999: {missing: [-999]}}  # if that means missing: 10.0%"),
        ("allmissing.csv", "y", "# empty: left out, every value is missing"),
        ("list.parquet", "y", "# l: left out, it holds lists or records"),
        ("count.csv", "y", "task: regression  # 10 whole numbers from 0 to 12: counts or marks"),
        ("bool01float.csv", "y", "task: classification  # two values: 1 "),
        ("uniqueint.csv", "y", "numerical  # whole numbers that differ, but count no rows"),
        ("thousands.csv", "y", 'if it stands before decimals, write decimal: ","'),
        ("mixtarget.jsonl", "y", "numbers and texts stand in it side by side"),
        ("boolt.csv", "y", "160 of 300 rows (53.3%) equal an earlier one, and are kept"),
    ],
)
def test_the_config_says_why(file, target, said):
    assert said in as_yaml(drafted(CASES / file, target)[0])


@pytest.mark.parametrize(
    ("file", "target", "words"),
    [
        ("dupcol.csv", "y", r"(?s)the name of a column stands more than once.*'x'"),
        ("comment.csv", "y", r"(?s)the first line starts with #.*grep"),
        ("nested.jsonl", "y", r"(?s)no column is left to learn from.*tags \(lists or records\)"),
        ("base.csv", "w", r"(?s)there is no column 'w'.*known are: g, x, y, z"),
        (
            "base.csv",
            None,
            r"(?s)which column is to be predicted.*likely are y \(its name, two values, the last column",
        ),
        ("dmy.csv", "when", "the target is a date"),
        ("nothing.csv", "y", "the file does not exist"),
    ],
)
def test_what_no_run_would_accept_is_refused(file, target, words):
    with pytest.raises(Refusal, match=words):
        drafted(CASES / file, target)


DAYS = pd.Series(pd.date_range("2023-11-20", periods=300))


@pytest.mark.parametrize(
    ("values", "kind", "way"),
    [
        pytest.param(range(300), "identifier", {}, id="counts-rows-from-0"),
        pytest.param(np.random.default_rng(0).permutation(300) + 1, "identifier", {}, id="counts-rows-shuffled"),
        pytest.param(np.arange(300) ** 2, "numerical", {}, id="whole-numbers-that-differ"),
        pytest.param([f"{n % 40:05}" for n in range(300)], "categorical", {}, id="leading-zeros"),
        pytest.param([f"9{n:017}" for n in range(300)], "identifier", {}, id="digits-beyond-a-float"),
        pytest.param([f"Mr {n} of Street {n}" for n in range(300)], "text", {}, id="texts-that-differ"),
        pytest.param([f"k{n:x}" for n in range(300)], "identifier", {}, id="words-that-differ"),
        pytest.param(
            [f"{n * 37 % 1000 / 10:.1f}%".replace(".", ",") for n in range(300)],
            "numerical",
            {"percent": True, "decimal": ","},
            id="percent",
        ),
        pytest.param(
            [f"€ {n * 371:,}".replace(",", ".") for n in range(300)],
            "numerical",
            {"currency": "€", "thousands": ".", "decimal": ","},
            id="euros",
        ),
        pytest.param([f"{n * 3} kg" for n in range(300)], "numerical", {"currency": "kg"}, id="unit"),
        pytest.param(["36 months", "60 months", "36 months"] * 100, "categorical", {}, id="unit-of-two-values"),
        pytest.param(
            [*map(str, range(0, 894, 3)), "unknown", "n/d"],
            "numerical",
            {"missing": ["n/d", "unknown"]},
            id="words-among-numbers",
        ),
        pytest.param([*(str(n % 6) for n in range(290)), *["6+"] * 10], "categorical", {}, id="open-ended-number"),
        pytest.param(DAYS.dt.strftime("%d.%m.%Y"), "date", {"format": "%d.%m.%Y"}, id="dotted"),
        pytest.param(DAYS.dt.strftime("%m/%d/%y"), "date", {"format": "%m/%d/%y"}, id="american"),
        pytest.param(DAYS.dt.strftime("%b %d, %Y"), "date", {"format": "%b %d, %Y"}, id="named-month"),
        pytest.param(DAYS.dt.strftime("%d/%m/%Y %I:%M %p"), "date", {"format": "%d/%m/%Y %I:%M %p"}, id="clock"),
        pytest.param(DAYS.dt.strftime("%Y-%m-%dT%H:%M:%S+02:00"), "date", {}, id="zone"),
        pytest.param(DAYS.dt.strftime("%Y-%m"), "date", {}, id="year-month"),
        pytest.param(DAYS.dt.strftime("%m/%Y"), "date", {"format": "%m/%Y"}, id="month-year"),
        pytest.param([*DAYS.dt.strftime("%Y-%m-%d")[:299], "?"], "date", {"missing": ["?"]}, id="date-or-mark"),
        pytest.param([f" {n % 60}" if n % 9 else " ?" for n in range(300)], "numerical", {"missing": ["?"]}, id="wide"),
        pytest.param([1.5, np.inf, 2] * 100, "numerical", {"missing": ["inf"]}, id="infinite"),
    ],
)
def test_kinds_and_ways_of_columns(tmp_path, values, kind, way):
    found, config = drafted(written({"c": list(values), **X}, tmp_path))
    assert config["columns"]["c"] == kind
    assert found.column("c").way == way
    (tmp_path / "config.yaml").write_text(as_yaml(found))
    assert load(str(tmp_path / "config.yaml")).download.ways(["c"]).get("c", {}) == way


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("customerId", [3 * n + n % 5 for n in range(300)], "identifier"),
        ("passengerid", [3 * n + 5 for n in range(300)], "identifier"),
        ("humid", [n % 40 for n in range(300)], "numerical"),
        ("shop_id", [n % 5 for n in range(300)], "categorical"),
        ("zip_code", [10_000 + n % 20 for n in range(300)], "categorical"),
        ("date", DAYS.dt.strftime("%Y%m%d").astype(int), "date"),
        ("amount", DAYS.dt.strftime("%Y%m%d").astype(int), "numerical"),
        ("rowname", [f"a car of {n} horses" for n in range(300)], "identifier"),
    ],
)
def test_names_of_columns_count(tmp_path, name, values, kind):
    assert drafted(written({name: values, **X}, tmp_path))[1]["columns"][name] == kind


def test_a_date_that_may_be_read_in_two_ways_says_so_and_the_order_of_rows_decides(tmp_path):
    days = DAYS[DAYS.dt.day <= 12].reset_index(drop=True)
    frame = {"when": days.dt.strftime("%d/%m/%Y"), "x": days.index % 7 / 2, "y": days.index % 2}
    found, config = drafted(written(frame, tmp_path))
    assert config["download"]["columns"]["when"] == {"format": "%d/%m/%Y"}
    assert "every value fits %m/%d/%Y too" in as_yaml(found)


@pytest.mark.parametrize(
    ("name", "values", "task"),
    [
        ("y", [0, 1, 2] * 100, "classification"),
        ("y", [*[1] * 200, *[2] * 90, *[3] * 10], "regression"),
        ("rating", [1, 2, 3, 4, 5] * 60, "regression"),
        ("Cover_Type", [*[1] * 200, *[2] * 90, *[7] * 10], "classification"),
        ("y", np.arange(300) / 7, "regression"),
        ("y", [1.0, 0.0, np.nan] * 100, "classification"),
        ("y", [5, 7] * 150, "classification"),
    ],
    ids=["labels", "counts", "ratings", "called-type", "numbers", "0-or-1", "two-values"],
)
def test_the_task_of_a_target(tmp_path, name, values, task):
    assert drafted(written({"x": X["x"], "z": list(values), name: values}, tmp_path), name)[1]["task"] == task


def test_a_long_table_is_looked_at_whole_and_held_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "_ROWS", 500)
    monkeypatch.setattr(survey.Spread.__init__, "__defaults__", (1000, 1 << 30))
    rows, late = 6000, range(6000)
    frame = pd.DataFrame(
        {
            "id": range(rows),
            "v": [n % 97 / 10 for n in late],
            "number": [str(n % 50) if n < 5900 else "5+" for n in late],
            "mark": [str(n % 50) if n < 5990 else "unknown" for n in late],
            "infinite": [n % 50 / 4 if n < 5990 else np.inf for n in late],
            "day": [f"{n % 12 + 1:02}/{n % 12 + 1:02}/2024" if n < 5990 else "13/01/2024" for n in late],
            "y": ["a" if n % 13 % 2 else "b" if n < 5998 else "c" for n in late],
        }
    )
    frame.loc[5999, "v"] = 1e6
    frame = pd.concat([frame, frame.iloc[:3]])
    found, config = drafted(written(frame, tmp_path))
    assert not len(found.columns[0].values) < 900 and len(found.columns[0].values) <= 2000
    assert config["check_data"]["columns"]["y"]["classes"] == ["a", "b", "c"]
    assert config["check_data"]["columns"]["v"]["range"][1] >= 1e6
    assert config["columns"]["number"] == "categorical" and config["columns"]["mark"] == "numerical"
    assert config["download"]["columns"]["mark"]["missing"] == ["unknown"]
    assert config["download"]["columns"]["day"]["format"] == "%d/%m/%Y" and "too" not in as_yaml(found)
    assert config["download"]["columns"]["infinite"]["missing"] == ["inf"]
    assert config["check_data"]["columns"]["infinite"]["range"] == [0, 24.5] and found.equal_rows == 3


def test_the_command_writes_its_file_whole_or_not_at_all(tmp_path, capsys):
    table, out = str(CASES / "base.csv"), tmp_path / "draft.yaml"
    assert main(["init", table, "--output", str(out)]) == 2 and not out.exists()
    assert "likely are y" in capsys.readouterr().err
    assert main(["init", table, "--target", "y", "--output", str(out)]) == 0
    screen = capsys.readouterr()
    assert screen.out == "" and "classification of y" in screen.err and load(str(out)).target == "y"
    out.write_text("mine")
    assert main(["init", table, "--target", "y", "--output", str(out)]) == 2 and out.read_text() == "mine"
    assert main(["init", table, "--target", "y", "--output", str(out), "--force", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["task"] == "classification" and document["config"] == out.read_text()
    assert [one["kind"] for one in document["columns"]] == ["numerical", "categorical", "numerical", "categorical"]


def table_with(rows=600, **columns):
    """A table of a target y of two values, a number n, honest features of either, and further columns of them."""
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=rows), "g": random.choice(["u", "v", "w"], rows)})
    frame["n"] = np.exp(frame["x"] + random.normal(size=rows))
    frame["y"] = np.where(frame["x"] + random.normal(size=rows) > 0, "yes", "no")
    return frame.assign(**columns)


@pytest.mark.parametrize(
    ("target", "leak", "said"),
    [
        ("y", lambda t: t["y"].map({"yes": "approved", "no": "refused"}), "it alone gives the target with AUC 1.0000"),
        (
            "y",
            lambda t: np.where(t["y"] == "yes", 100 + t["x"], t["x"]),
            "it alone gives the target with AUC (0.99|1.00)",
        ),
        ("n", lambda t: (t["n"] * 1.21).round(2), "it alone gives the target with R² (0.99|1.00)"),
        ("n", lambda t: np.log(t["n"]), "it alone gives the target with R² (0.99|1.00)"),
    ],
    ids=["text-of-it", "number-of-it", "copy", "logarithm"],
)
def test_a_column_that_gives_the_target_away_is_left_out(tmp_path, target, leak, said):
    found, config = drafted(written(table_with(leak=leak), tmp_path), target)
    assert "leak" not in config["columns"] and re.search(said, as_yaml(found))
    assert "g" in config["columns"]


def test_parts_that_add_up_to_the_target_are_left_out_together(tmp_path):
    first, second = np.random.default_rng(2).poisson(40, (2, 600))
    found, config = drafted(written(table_with(casual=first, registered=second, n=first + second), tmp_path), "n")
    assert list(config["columns"]) == ["x", "g", "n", "y"]
    assert "# casual: left out, a suspected leak: casual and registered add up to the target" in as_yaml(found)


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        ({"x": range(300), "n": np.arange(300) ** 1.5, "z": [1, 2] * 150}, "n"),
        ({"x": [1.5, 2.5] * 50, "y": ["a", "b"] * 50}, "y"),
        ({"x": np.arange(300) % 2 / 2, "y": ["a", "b"] * 150}, "y"),
    ],
    ids=["both-grow", "small-table", "the-only-feature"],
)
def test_an_honest_column_stays(tmp_path, columns, target):
    config = drafted(written(columns, tmp_path), target)[1]
    assert config["columns"]["x"] in ("numerical", "identifier")


@pytest.mark.parametrize("name", ["patient", "customerId", "visit_id"])
def test_rows_of_one_id_stand_in_one_split(tmp_path, name):
    found, config = drafted(written(table_with(**{name: [1000 + n // 6 for n in range(600)]}), tmp_path))
    assert config["segregate"] == {"group": name} and config["columns"][name] == "identifier"
    assert "100 different ones in 600 rows" in as_yaml(found)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("customers", [n % 50 for n in range(600)]),
        ("user_age", [n % 50 for n in range(600)]),
        ("patient", range(600)),
        ("shop_id", [n % 4 for n in range(600)]),
    ],
)
def test_what_names_nobody_or_does_not_repeat_makes_no_groups(tmp_path, name, values):
    assert "segregate" not in drafted(written(table_with(**{name: values}), tmp_path))[1]


def test_a_table_in_the_order_of_time_is_offered_a_split_by_time_with_what_that_does(tmp_path):
    days = pd.date_range("2024-01-01", periods=600).strftime("%Y-%m-%d")
    found, config = drafted(written(table_with(day=days), tmp_path))
    text = as_yaml(found)
    assert "segregate" not in config and "#   by_time: day" in text
    assert "rows are in the order of day; AUC of a quick model: 0." in text
    late = np.where(np.arange(600) < 500, np.nan, 1.5)
    assert "AUC of a quick model" in as_yaml(drafted(written(table_with(day=days, late=late), tmp_path))[0])
    shuffled = table_with(day=np.random.default_rng(0).permutation(days))
    assert "by_time" not in as_yaml(drafted(written(shuffled, tmp_path, "shuffled.csv"))[0])


def test_classes_too_rare_for_strata_are_named_and_split_without_them(tmp_path):
    frame = table_with(y=["a", "b"] * 299 + ["lone", "c"])
    found, config = drafted(written(frame, tmp_path))
    assert config["segregate"] == {"stratify": False}
    assert re.search("# ('lone', 'c'|'c', 'lone'): fewer than 3 rows", as_yaml(found))


def test_a_wide_table_is_declared_by_patterns(tmp_path):
    random = np.random.default_rng(0)
    frame = {f"f{at}": random.normal(size=60) for at in range(300)}
    frame |= {"f7": [1.0] * 60, "f8": ["a", "b", "c"] * 20, "f9": [np.nan, 2.5, 1.5] * 20, "id": range(60)}
    found, config = drafted(written(frame | {"y": ["a", "b", "b"] * 20}, tmp_path))
    columns, rules = config["columns"], config["check_data"]["columns"]
    assert columns == {
        "f7": "identifier",
        "f8": "categorical",
        "id": "identifier",
        "y": "categorical",
        "f*": "numerical",
    }
    assert rules == {"y": {"classes": ["a", "b"]}, "f*": {"missing": True}}
    (tmp_path / "config.yaml").write_text(as_yaml(found))
    assert load(str(tmp_path / "config.yaml")).target == "y"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([None] * 300, "every value is missing"),
        (["?"] * 150 + ["-"] * 150, "every value is missing"),
        (["same"] * 300, "every value is 'same'"),
        ([*[1.5] * 4, *[None] * 296], "only 4 of 300 values are there"),
    ],
)
def test_columns_with_nothing_to_learn_from_are_left_out(tmp_path, values, said):
    found, config = drafted(written({"c": values, **X}, tmp_path))
    assert "c" not in config["columns"] and f"# c: left out, {said}" in as_yaml(found)


@pytest.mark.parametrize("values", [["0", "1", " "], ["no", "yes", " "]], ids=["numbers", "texts"])
def test_a_blank_is_no_class(tmp_path, values):
    found, config = drafted(written({"x": X["x"], "y": values * 100}, tmp_path))
    assert found.missing_targets == 100 and config["preprocess"] == {"drop_missing_target": True}
    assert config["download"]["columns"]["y"] == {"missing": [""]}
    assert config["check_data"]["columns"]["y"]["classes"] == values[:2]


def test_values_in_rows_without_a_target_do_not_count(tmp_path):
    odd = np.arange(300) % 2 == 1
    frame = {"x": X["x"], "c": np.where(odd, 1.5 + X["x"], np.nan), "d": np.where(odd, np.nan, X["x"])}
    found, config = drafted(written(frame | {"y": np.where(odd, None, X["y"])}, tmp_path))
    assert found.missing_targets == 150 and "# c: left out, every value is missing" in as_yaml(found)
    assert (
        config["check_data"]["columns"].keys() == {"x", "d", "y"}
        and "missing" not in config["check_data"]["columns"]["d"]
    )


def test_names_and_classes_that_mean_something_to_yaml_are_kept(tmp_path):
    names = ["on", "1e3", "a: b", "${x}", "null", "é#ß", "2.50"]
    frame = {name: [1.5, 2, "no"] * 20 for name in names} | {"y": ["yes", "${oc.env:HOME}", "1e3"] * 20}
    found, _ = drafted(written(frame, tmp_path))
    (tmp_path / "config.yaml").write_text(as_yaml(found))
    config = load(str(tmp_path / "config.yaml"))
    assert list(config.columns) == [*names, "y"]
    assert config.check_data.columns["y"].classes == ["${oc.env:HOME}", "1e3", "yes"]
