"""The whole step on files: what passes, what is refused and how that is worded."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.check_data.check_data import check_file
from components.check_data.checks import summary
from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from components.common.tables.parquet import read_table, write_table

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECTION = {
    "target": "label",
    "task": "classification",
    "kinds": {
        "id": "identifier",
        "weight": "numerical",
        "size": "categorical",
        "note": "text",
        "picked": "date",
        "label": "categorical",
    },
    "rows": {"min": 20, "max": 1000},
    "columns": {
        "id": {"unique": True},
        "weight": {"range": [1, 3000]},
        "size": {"classes": ["S", "M", "L"]},
        "note": {"missing": 0.5},
        "picked": {"fresh_days": 30},
        "label": {"classes": ["apple", "melon", "plum"]},
    },
    "drift": {"categorical": ["size"]},
}


def fruit(rows=120, seed=0):
    """A small table with a column of every kind."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "weight": random.normal(150, 20, rows).round(1),
            "size": random.choice(["S", "M", "L"], rows),
            "note": random.choice(["sweet", "green", "ripe"], rows),
            "picked": pd.Timestamp("2026-06-20") - pd.to_timedelta(np.arange(rows), "D"),
            "label": random.choice(["apple", "melon", "plum"], rows),
        }
    )


def section(**columns):
    """The section with other rules for some columns."""
    return {**SECTION, "columns": {**SECTION["columns"], **columns}}


@pytest.fixture
def run(tmp_path):
    """Checks a table (a frame, or an arrow table for what a frame cannot be written as) and returns the checks."""

    def check(table, rules=SECTION, reference="", tell=None):
        clean = tmp_path / "clean"
        if isinstance(table, pd.DataFrame):
            write_table(table, clean)
        else:
            pq.write_table(table, clean)
        return check_file(
            rules,
            str(clean),
            str(reference),
            str(tmp_path / "out" / "accepted"),
            str(tmp_path / "out" / "report.html"),
            tell,
            NOW,
        )

    return check


def put(column, rows, value):
    def change(table):
        table = table.astype({column: object}) if isinstance(value, str) and table[column].dtype.kind in "if" else table
        table.loc[rows, column] = value
        return table

    return change


def arrow_with_doubled_column(table):
    table = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata()
    return table.append_column("weight", table.column("weight"))


BAD = {
    "a missing column": (
        lambda t: t.drop(columns="weight"),
        SECTION,
        ["column 'weight', present", "the column is missing", "the column is there, once"],
    ),
    "a doubled column": (arrow_with_doubled_column, SECTION, ["column 'weight', present", "stands there 2 times"]),
    "text in numbers": (
        lambda t: t.assign(weight=t.weight.astype(str).where(t.index != 7, "heavy")),
        SECTION,
        ["column 'weight', type", "numerical: numbers", "text", "heavy in row 7"],
    ),
    "numbers written as text": (
        lambda t: t.assign(weight=t.weight.astype(str)),
        SECTION,
        ["column 'weight', type", "in row 0"],
    ),
    "dates as text": (
        lambda t: t.assign(picked=t.picked.astype(str)),
        SECTION,
        ["column 'picked', type", "date: dates", "text", "download.columns.picked.format"],
    ),
    "numbers in text": (lambda t: t.assign(note=1), SECTION, ["column 'note', type", "whole numbers"]),
    "dates as categories": (lambda t: t.assign(size=t.picked), SECTION, ["column 'size', type", "dates"]),
    "an unknown class": (
        put("size", [3, 9], "XL"),
        SECTION,
        ["column 'size', classes", "unknown 'XL' in 2 rows (1.67%)", "one of S, M, L", "XL in row 3"],
    ),
    "a misspelt class": (put("label", [5], "aple"), SECTION, ["column 'label', classes", "did you mean 'apple'?"]),
    "below the range": (
        put("weight", [4], -2.5),
        SECTION,
        ["column 'weight', range", "at least 1 and at most 3000", "1 row (0.833%)", "-2.5 in row 4"],
    ),
    "above the range": (
        put("weight", [4, 5], 3000.5),
        SECTION,
        ["column 'weight', range", "2 rows", "3000.5 in row 4"],
    ),
    "an infinite value": (
        put("weight", [8], np.inf),
        SECTION,
        ["column 'weight', finite", "no value is infinite", "inf in row 8"],
    ),
    "a column all missing": (
        put("note", slice(None), None),
        section(note={"missing": True, "severity": "warning"}),
        ["column 'note', missing", "every value is missing"],
    ),
    "numbers all missing": (
        put("weight", slice(None), np.nan),
        section(weight={"missing": True}),
        ["column 'weight', missing", "every value is missing"],
    ),
    "a missing value": (
        put("weight", [2], np.nan),
        SECTION,
        [
            "column 'weight', missing",
            "no value is missing",
            "1 row (0.833%) missing",
            "check_data.columns.weight.missing=0.01",
        ],
    ),
    "too many missing": (
        put("note", slice(0, 89), None),
        SECTION,
        ["column 'note', missing", "at most 0.5 of the values missing", "90 rows (75%)"],
    ),
    "a missing target": (
        put("label", [11], None),
        section(label={"missing": True, "severity": "warning"}),
        ["column 'label', missing", "1 row", "row 11", "preprocess.drop_missing_target"],
    ),
    "a constant target": (
        lambda t: t.assign(label="plum"),
        SECTION,
        ["column 'label', target varies", "only plum", "at least two different values"],
    ),
    "a doubled identifier": (
        put("id", [10, 20], 0),
        SECTION,
        ["column 'id', unique", "2 rows (1.67%) repeat", "no value stands twice", "0 in row 10"],
    ),
    "stale dates": (
        lambda t: t.assign(picked=t.picked - timedelta(days=60)),
        SECTION,
        ["column 'picked', fresh", "at most 30 days old", "2026-04-21, 71.0 days old"],
    ),
    "no rows": (
        lambda t: t.iloc[:0],
        {**SECTION, "rows": {"min": 0, "severity": "warning"}},
        ["rows: 0 rows", "at least 1"],
    ),
    "too few rows": (lambda t: t.iloc[:15], SECTION, ["rows: 15 rows", "at least 20 rows, at most 1,000"]),
    "too many rows": (lambda t: fruit(1200), section(id={}), ["rows: 1,200 rows", "at most 1,000"]),
}


@pytest.mark.parametrize(("change", "rules", "words"), BAD.values(), ids=BAD)
def test_bad_data_is_refused_by_column_rule_and_value(run, tmp_path, change, rules, words):
    counts = {}
    with pytest.raises(Refusal) as refusal:
        run(change(fruit()), rules, tell=counts.update)
    message = str(refusal.value)
    for word in [*words, str(tmp_path / "clean"), str(tmp_path / "out" / "report.html")]:
        assert word in message
    assert not (tmp_path / "out" / "accepted").exists()
    assert counts["failed"] >= 1 and f"{counts['failed']} of {counts['checks']} checks failed" in message
    assert "Not accepted" in (tmp_path / "out" / "report.html").read_text()


def test_a_class_with_one_row_is_told_and_left_to_the_split(run):
    checks = run(fruit().assign(label=np.where(np.arange(120) == 6, "melon", "plum")))
    (sizes,) = [check for check in checks if check.name == "class sizes"]
    assert (sizes.outcome, sizes.severity) == ("failed", "warning")
    assert "one row only: 'melon'" in sizes.observed and "segregate.stratify=false" in sizes.mend


def test_a_good_table_is_handed_on_byte_for_byte(run, tmp_path):
    told = {}
    checks = run(fruit(), tell=told.update)
    assert {check.outcome for check in checks} == {"passed", "skipped"}
    assert file_digest(tmp_path / "clean") == file_digest(tmp_path / "out" / "accepted")
    assert told == summary(checks, 120)
    assert told["checks"] == told["passed"] + told["skipped"] and told["failed"] == told["warnings"] == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["accepted", "report.html"]


def test_an_accepted_table_outlives_a_new_clean_one(run, tmp_path):
    run(fruit())
    before = file_digest(tmp_path / "out" / "accepted")
    write_table(fruit(50), tmp_path / "clean")
    assert file_digest(tmp_path / "out" / "accepted") == before


def test_a_table_is_copied_where_it_cannot_be_linked(run, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    run(fruit())
    assert file_digest(tmp_path / "clean") == file_digest(tmp_path / "out" / "accepted")


def test_a_warning_does_not_stop_the_table(run, tmp_path):
    rules = section(size={"classes": ["S", "M"], "severity": "warning"})
    checks = run(fruit(), rules)
    assert [(check.column, check.name) for check in checks if check.outcome == "failed"] == [("size", "classes")]
    assert summary(checks, 120)["warnings"] == 1
    assert (tmp_path / "out" / "accepted").exists()
    assert "Accepted with 1 warning" in (tmp_path / "out" / "report.html").read_text()


def test_every_failed_check_is_told(run):
    table = fruit().assign(weight=9999.0, size="XXL", note=1, picked="never", label="grape").drop(columns="id")
    with pytest.raises(Refusal) as refusal:
        run(table)
    message = str(refusal.value)
    places = [
        "'id', present",
        "'weight', range",
        "'size', classes",
        "'note', type",
        "'picked', type",
        "'label', classes",
        "'label', target varies",
    ]
    assert [place for place in places if place not in message] == []
    assert message.startswith(str(message.split(": ")[0])) and "7 of " in message and "and also" in message


@pytest.mark.parametrize(
    ("change", "skipped"),
    [
        pytest.param(lambda t: t.drop(columns="weight"), {"type", "missing", "finite", "range"}, id="missing-column"),
        pytest.param(lambda t: t.assign(weight="x"), {"finite", "range"}, id="wrong-type"),
        pytest.param(lambda t: t.assign(weight=np.nan), {"type", "finite", "range"}, id="all-missing"),
        pytest.param(lambda t: t.iloc[:0], {"type", "missing", "finite", "range"}, id="no-rows"),
    ],
)
def test_what_cannot_be_checked_is_skipped_and_not_passed(tmp_path, run, change, skipped):
    told = {}
    with pytest.raises(Refusal):
        run(change(fruit()), tell=told.update)
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("not checked: ") >= 2 * len(skipped), "in what needs a look and among all checks"
    assert told["skipped"] >= len(skipped)


@pytest.mark.parametrize(
    "column",
    [
        pytest.param(pd.array([1, 2, None] * 40, dtype="Int64"), id="nullable-integers"),
        pytest.param(pd.array([1.5, 2.5, None] * 40, dtype="Float64"), id="nullable-floats"),
        pytest.param(np.tile([True, False], 60), id="booleans"),
        pytest.param(np.arange(120, dtype="uint8"), id="small-integers"),
        pytest.param(np.arange(120, dtype="float32"), id="small-floats"),
    ],
)
def test_all_types_of_numbers_are_numerical(run, column):
    run(fruit().assign(weight=column), section(weight={"missing": 0.4, "range": [0, 200]}))


@pytest.mark.parametrize(
    ("column", "classes"),
    [
        pytest.param(np.tile([1, 2, 3], 40), ["1", "2", "3"], id="integers"),
        pytest.param(np.tile([1, np.nan, 3], 40), ["1", "3"], id="integers-with-missing"),
        pytest.param(np.tile([True, False], 60), ["True", "False"], id="booleans"),
        pytest.param(pd.Categorical(["a", "b"] * 60), ["a", "b", "unseen"], id="categories"),
    ],
)
def test_classes_are_compared_as_the_config_writes_them(run, column, classes):
    run(fruit().assign(size=column), section(size={"classes": classes, "missing": True}))


def test_missing_values_are_no_breach_of_range_or_classes(run):
    table = put("weight", [1, 2], np.nan)(put("size", [3], None)(fruit()))
    run(
        table, section(weight={"range": [1, 3000], "missing": 0.02}, size={"classes": ["S", "M", "L"], "missing": True})
    )


def test_a_share_of_exactly_what_is_allowed_passes(run):
    run(put("note", slice(0, 59), None)(fruit()))


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
def test_dates_may_have_a_time_zone(run, zone):
    table = fruit()
    table["picked"] = table.picked.dt.tz_localize(zone)
    run(table)


def test_a_regression_target_needs_no_classes(run):
    rules = {"target": "weight", "task": "regression", "kinds": SECTION["kinds"]}
    names = {(check.column, check.name) for check in run(fruit(), rules)}
    assert ("weight", "target varies") in names and ("weight", "class sizes") not in names


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (section(wieght={"unique": True}), ["check_data.columns.wieght", "did you mean 'weight'?"]),
        (section(size={"range": [0, 1]}), ["check_data.columns.size.range", "categorical", "numerical column"]),
        (section(weight={"fresh_days": 3}), ["check_data.columns.weight.fresh_days", "date column"]),
        ({**SECTION, "drift": {"numerical": ["note"]}}, ["check_data.drift.numerical", "'note' is text"]),
        ({**SECTION, "drift": {"categorical": ["nope"]}}, ["check_data.drift.categorical", "'nope'"]),
        ({**SECTION, "target": "lable"}, ["check_data.target", "did you mean 'label'?"]),
        ({**SECTION, "task": "regression"}, ["check_data.target", "'label' is categorical"]),
        ({**SECTION, "colunms": {}}, ["section check_data", "colunms", "did you mean 'columns'?"]),
    ],
    ids=[
        "unknown-column",
        "range-of-classes",
        "age-of-numbers",
        "ks-of-text",
        "kl-of-nothing",
        "unknown-target",
        "regression-of-classes",
        "unknown-key",
    ],
)
def test_rules_that_cannot_be_applied_are_refused(run, rules, words):
    with pytest.raises(Refusal) as refusal:
        run(fruit(), rules)
    assert [word for word in words if word not in str(refusal.value)] == []


def test_the_report_shows_hostile_names_and_does_not_run_them(run, tmp_path):
    evil = "<script>alert(1)</script>"
    table = fruit().rename(columns={"note": evil}).assign(size=evil)
    kinds = {evil if name == "note" else name: kind for name, kind in SECTION["kinds"].items()}
    with pytest.raises(Refusal):
        run(table, {**SECTION, "kinds": kinds, "columns": {"size": {"classes": [evil[::-1]]}}})
    page = (tmp_path / "out" / "report.html").read_text()
    assert evil not in page and "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_the_report_draws_every_column_by_its_kind(run, tmp_path):
    run(fruit())
    page = (tmp_path / "out" / "report.html").read_text()
    for title in [
        "distribution of weight",
        "shares of size",
        "distribution of note",
        "picked over time",
        "shares of label",
    ]:
        assert f"<title>{title}</title>" in page
    assert "Identifiers are not drawn: id" in page


def test_thousands_of_columns_are_declared_by_a_pattern_and_their_report_stays_small(run, tmp_path):
    table = pd.DataFrame(np.arange(1100 * 8.0).reshape(8, 1100) % 7, columns=[f"f{at}" for at in range(1100)])
    table = table.assign(y=list("abababab"), f1099=np.nan)
    rules = {
        "target": "y",
        "task": "classification",
        "kinds": {"f*": "numerical", "y": "categorical"},
        "columns": {"f1*": {"range": [0, 6]}, "f*": {"missing": True}},
        "drift": {"numerical": ["f10*"]},
    }
    with pytest.raises(Refusal, match="column 'f1099', missing: every value is missing"):
        run(table, rules)
    page = (tmp_path / "out" / "report.html").read_text()
    assert len(page) < 500_000
    assert "200 of 1,101 columns" in page and "1,099 columns: f0, f1," in page
    assert page.index("f1099<") < page.index("f0<")


def test_a_column_of_a_pattern_that_the_reference_has_is_missed(run, tmp_path):
    table = pd.DataFrame({"f1": [1.0, 2.0, 3.0, 4.0], "f2": 1.0, "g": 2.0, "y": list("abab")})
    rules = {"target": "y", "task": "classification", "kinds": {"f*": "numerical", "y": "categorical"}}
    write_table(table, tmp_path / "past")
    checks = run(table.drop(columns=["f2", "g"]), rules, tmp_path / "past")
    gone = next(check for check in checks if check.name == "columns")
    assert (gone.outcome, gone.severity, gone.observed) == ("failed", "warning", "1 of them gone: f2")


def test_the_report_tells_class_shares_and_columns_that_tell_nothing(run, tmp_path):
    table = fruit(100).assign(size="S", weight=5.0, label=["apple"] * 75 + ["plum"] * 25)
    run(table)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "apple (75): 75.0%" in page and "3.0 times the rows of the rarest" in page
    assert "They hold one value alone, and tell nothing: weight, size." in page


def test_the_same_table_gives_the_same_report(run, tmp_path):
    run(fruit())
    first = (tmp_path / "out" / "report.html").read_bytes()
    run(fruit())
    assert (tmp_path / "out" / "report.html").read_bytes() == first


REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))


@pytest.mark.skipif(not (REAL / "genres_mod.parquet").is_file(), reason="the real music table is not on this machine")
def test_the_music_table_passes_fast(tmp_path):
    table = read_table(REAL / "genres_mod.parquet").drop_duplicates()
    table[["title", "song_name"]] = table[["title", "song_name"]].fillna("")
    table["text_feature"] = table.title + " " + table.song_name
    write_table(table, tmp_path / "clean")
    wide = {
        "loudness": [-35, 5],
        "tempo": [50, 250],
        "duration_ms": [20_000, 1_000_000],
        "time_signature": [1, 5],
        "key": [0, 11],
    }
    numbers = [name for name in table if table[name].dtype.kind in "if"]
    kinds = {
        name: "numerical" if name in numbers else "categorical" if name in ("genre", "type") else "text"
        for name in table
    }
    columns = {name: {"range": wide.get(name, [0, 1]), "missing": name == "loudness"} for name in numbers}
    columns["genre"] = {"classes": sorted(table.genre.unique())}
    rules = {
        "target": "genre",
        "task": "classification",
        "kinds": kinds,
        "columns": columns,
        "drift": {"categorical": ["genre"]},
    }

    def check(reference):
        start = time.process_time()  # what others compute meanwhile is not its fault
        checks = check_file(
            rules, str(tmp_path / "clean"), reference, str(tmp_path / "accepted"), str(tmp_path / "report")
        )
        return checks, time.process_time() - start

    check("")
    checks, seconds = check("")
    assert summary(checks, len(table)) == {
        "checks": 85,
        "passed": 84,
        "failed": 0,
        "warnings": 0,
        "skipped": 1,
        "rows": 41_975,
    }
    assert seconds < 0.7, "twice what it may take on an idle machine"
    checks, _ = check(str(tmp_path / "accepted"))
    assert {check.outcome for check in checks} == {"passed"}
    assert summary(checks, len(table))["checks"] == 84 + 13 + 1
