import datetime
import json
import os
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.base.errors import Refusal
from components.common.tables.parquet import read_table
from components.preprocess.component import preprocess
from components.preprocess.preprocess import preprocess_file

REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))


@pytest.fixture
def clean(tmp_path):
    """Cleans a table, by default with every column numerical; returns the clean one and the counts."""

    def run(table, columns=None, target=None, **rules):
        table = table if isinstance(table, pa.Table) else pa.table(table)
        pq.write_table(table, tmp_path / "raw")
        columns = columns or dict.fromkeys(table.column_names, "numerical")
        section = {"target": target or next(iter(columns)), "columns": columns, **rules}
        try:
            counts = preprocess_file(section, tmp_path / "raw", tmp_path / "clean", called="t.csv")
        finally:
            assert {path.name for path in tmp_path.iterdir()} <= {"raw", "clean", "spool"}
        return pq.ParquetFile(tmp_path / "clean").read(), counts

    return run


def one(clean, values, kind, **rules):
    """The type and the values of a column of a kind."""
    table, _ = clean({"a": values}, {"a": kind}, **rules)
    return str(table.schema.field("a").type), table["a"].to_pylist()


def dated(form):
    """The rules of a table whose column `a` holds dates of a format."""
    return {"notation": {"columns": {"a": {"format": form}}}}


NAN, INF = float("nan"), float("inf")
DAY, NOON = datetime.datetime(2026, 1, 31), datetime.datetime(2026, 1, 31, 12)


@pytest.mark.parametrize(
    ("values", "type_", "expected"),
    [
        pytest.param([1, 2], "int64", [1, 2], id="integers"),
        pytest.param([1, None], "int64", [1, None], id="integers-with-gaps"),
        pytest.param(pa.array([1, 200], "uint8"), "int64", [1, 200], id="small-integers"),
        pytest.param(pa.array([1, 2**64 - 1], "uint64"), "double", [1.0, 2.0**64], id="integers-beyond-64-bits"),
        pytest.param([1.5, NAN, None, INF], "double", [1.5, None, None, INF], id="floats-nan-and-infinity"),
        pytest.param(pa.array([1.5], "float32"), "double", [1.5], id="short-floats"),
        pytest.param([True, False, None], "int64", [1, 0, None], id="booleans"),
        pytest.param([Decimal("1.25")], "double", [1.25], id="decimals"),
        pytest.param(["12", " +7 ", "007", "", "nan"], "int64", [12, 7, 7, None, None], id="integers-as-text"),
        pytest.param(
            ["1.5", "-2e3", "-inf", ".5", "3."], "double", [1.5, -2000.0, -INF, 0.5, 3.0], id="floats-as-text"
        ),
        pytest.param(pa.array(["1"], pa.large_string()), "int64", [1], id="large-text"),
        pytest.param(pa.array(["1", "2"]).dictionary_encode(), "int64", [1, 2], id="dictionary"),
        pytest.param(pa.nulls(2), "int64", [None, None], id="nothing"),
    ],
)
def test_numbers(clean, values, type_, expected):
    assert one(clean, values, "numerical") == (type_, expected)


@pytest.mark.parametrize("kind", ["categorical", "text"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(["u", "", "True", "1.0", "007"], ["u", None, "true", "1", "007"], id="text"),
        pytest.param([1, None, -3], ["1", None, "-3"], id="integers"),
        pytest.param([1.0, NAN, 1.5, 1e15, INF], ["1", None, "1.5", "1000000000000000", "inf"], id="floats"),
        pytest.param([2**62 + 1, None], [str(2**62 + 1), None], id="large-integers-with-gaps-stay-exact"),
        pytest.param([True, False, None], ["true", "false", None], id="booleans"),
        pytest.param([DAY.date()], ["2026-01-31"], id="dates"),
        pytest.param([b"u", None], ["u", None], id="bytes"),
        pytest.param(pa.array(["u", "v"]).dictionary_encode(), ["u", "v"], id="dictionary"),
        pytest.param(pa.array(["u"], pa.large_string()), ["u"], id="large-text"),
        pytest.param(pa.nulls(1), [None], id="nothing"),
    ],
)
def test_categories_and_texts(clean, values, expected, kind):
    assert one(clean, values, kind) == ("string", expected)


@pytest.mark.parametrize(
    ("values", "form", "expected"),
    [
        pytest.param(["2026-01-31", None, "", " 2026-01-31 "], None, [DAY, None, None, DAY], id="iso"),
        pytest.param(["2026-01-31T12:00:00", "2026-01-31 12:00"], None, [NOON, NOON], id="iso-times"),
        pytest.param(
            ["2026-01-31T12:00:00Z", "2026-01-31T14:00:00+02:00"], None, [NOON, NOON], id="iso-zones-become-utc"
        ),
        pytest.param(["2026-01-31T12:00:00.000000999"], None, [NOON], id="iso-nanoseconds"),
        pytest.param(["31.01.2026", None, "31.1.2026"], "%d.%m.%Y", [DAY, None, DAY], id="format"),
        pytest.param([20260131, None], "%Y%m%d", [DAY, None], id="integers-with-a-format"),
        pytest.param([20260131.0, NAN], "%Y%m%d", [DAY, None], id="floats-with-a-format"),
        pytest.param(pa.array([NOON], pa.timestamp("ns")), None, [NOON], id="timestamps"),
        pytest.param(pa.array([NOON], pa.timestamp("s", "Europe/Paris")), None, [NOON], id="timestamps-with-zone"),
        pytest.param([DAY.date(), None], None, [DAY, None], id="dates"),
        pytest.param(pa.nulls(1), None, [None], id="nothing"),
    ],
)
def test_dates(clean, values, form, expected):
    rules = dated(form) if form else {}
    assert one(clean, values, "date", **rules) == ("timestamp[us]", expected)


def test_an_identifier_stays_what_it_was(clean):
    assert one(clean, [7, None, 2**62 + 1], "identifier") == ("int64", [7, None, 2**62 + 1])
    assert one(clean, ["007"], "identifier") == ("string", ["007"])


@pytest.mark.parametrize(
    ("values", "kind", "rules", "words"),
    [
        pytest.param(
            ["1", "2", "heavy", "x"], "numerical", {}, ["row 3", "heavy", "and 1 more"], id="text-for-a-number"
        ),
        pytest.param(
            ["1,5"], "numerical", {}, ["1,5", "a number", "download.columns.a", "decimal"], id="decimal-comma"
        ),
        pytest.param(["0x1F"], "numerical", {}, ["0x1F"], id="hexadecimal"),
        pytest.param([DAY], "numerical", {}, ["timestamp"], id="date-for-a-number"),
        pytest.param([[1, 2]], "numerical", {}, ["list", "single"], id="list-for-a-number"),
        pytest.param([{"k": 1}], "categorical", {}, ["struct", "single"], id="record-for-a-category"),
        pytest.param([b"\xff"], "text", {}, ["binary", "UTF-8"], id="bytes-that-are-no-text"),
        pytest.param(
            ["2026-01-31", "31.01.2026"],
            "date",
            {},
            ["row 2", "31.01.2026", "ISO 8601", "download.columns.a"],
            id="not-iso",
        ),
        pytest.param(["2026-02-30"], "date", {}, ["2026-02-30"], id="no-such-day"),
        pytest.param(["today"], "date", {}, ["today"], id="today-is-no-date"),
        pytest.param(["now"], "date", dated("%Y"), ["now"], id="now-is-no-date"),
        pytest.param(
            ["2026-01-31"],
            "date",
            dated("%d.%m.%Y"),
            ["2026-01-31", "%d.%m.%Y"],
            id="other-format",
        ),
        pytest.param(
            ["31.01.2026 x"],
            "date",
            dated("%d.%m.%Y"),
            ["31.01.2026 x"],
            id="more-than-a-date",
        ),
        pytest.param([20260131], "date", {}, ["int64", "download.columns.a.format"], id="integers-without-a-format"),
    ],
)
def test_a_value_that_is_not_of_its_kind_is_refused(clean, values, kind, rules, words):
    with pytest.raises(Refusal) as caught:
        one(clean, values, kind, **rules)
    for word in ["t.csv", "'a'", *words]:
        assert word in str(caught.value)


def test_a_bad_value_is_found_in_its_raw_row_although_duplicates_are_gone(clean):
    with pytest.raises(Refusal, match=r"t\.csv, row 4 below the header"):
        clean({"a": ["1", "1", "1", "x"]}, drop_duplicates=True)


def test_declared_columns_stay_in_their_order_and_others_go(clean, capsys):
    table, counts = clean({"x": [1], "b": [2], "y": [3], "a": [4]}, {"a": "numerical", "b": "numerical"})
    assert table.column_names == ["a", "b"] and counts["columns_dropped"] == 2
    assert "dropped: x, y" in capsys.readouterr().out


def test_duplicates_are_judged_by_declared_columns_and_the_first_stays(clean):
    table, counts = clean(
        {"a": [1.0, NAN, 1.0, None, 2.0, -0.0, 0.0], "t": ["u", None, "u", None, "u", "z", "z"], "extra": range(7)},
        {"a": "numerical", "t": "text"},
        drop_duplicates=True,
    )
    assert table["a"].to_pylist() == [1.0, None, 2.0, -0.0] and counts["removed_duplicates"] == 3
    assert "removed_duplicates" not in (counts := clean({"a": [1, 1]})[1]) and counts["rows_out"] == 2


@pytest.mark.parametrize("name", ["genres_mod.parquet", "nyc_airbnb_sample1.csv"])
def test_duplicates_of_a_real_table_are_those_that_pandas_finds(clean, name):
    if not (REAL / name).is_file():
        pytest.skip(f"the real table {name} is not on this machine")
    frame = pd.read_csv(REAL / name) if name.endswith("csv") else pd.read_parquet(REAL / name)
    frame = pd.concat([frame, frame.sample(500, random_state=0)])
    columns = {column: "numerical" if frame[column].dtype.kind in "if" else "text" for column in frame}
    table, _ = clean(pa.Table.from_pandas(frame, preserve_index=False), columns, drop_duplicates=True)
    pd.testing.assert_frame_equal(table.to_pandas(), frame.drop_duplicates().reset_index(drop=True))


@pytest.mark.parametrize(
    ("values", "kind", "value", "expected"),
    [
        pytest.param([1, None], "numerical", 0, [1, 0], id="integer"),
        pytest.param([1, None], "numerical", 0.0, [1, 0], id="whole-float-into-integers"),
        pytest.param([1, None], "numerical", 0.5, [1.0, 0.5], id="float-into-integers"),
        pytest.param([1.5, NAN], "numerical", -1, [1.5, -1.0], id="integer-into-floats"),
        pytest.param(["u", None], "text", "", ["u", ""], id="empty-text"),
        pytest.param(["u", None], "categorical", 0, ["u", "0"], id="number-into-categories"),
        pytest.param([True, None], "categorical", False, ["true", "false"], id="boolean-into-categories"),
        pytest.param(["2026-01-31", None], "date", "2026-01-31", [DAY, DAY], id="date"),
        pytest.param([7, None], "identifier", 0, [7, 0], id="identifier"),
    ],
)
def test_fills(clean, values, kind, value, expected):
    table, counts = clean({"a": values}, {"a": kind}, fill={"a": value})
    assert table["a"].to_pylist() == expected and counts["filled_a"] == 1


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("numerical", "much", ["a number", "much"]),
        ("numerical", True, ["a number"]),
        ("numerical", None, ["missing"]),
        ("numerical", NAN, ["missing"]),
        ("text", ["x"], ["single"]),
        ("date", "soon", ["soon", "ISO 8601"]),
        ("identifier", "x", ["int64"]),
    ],
)
def test_a_fill_that_does_not_fit_is_refused(clean, kind, value, words):
    values = {"date": ["2026-01-31"], "text": ["u"]}.get(kind, [1, None])
    with pytest.raises(Refusal) as caught:
        clean({"a": values}, {"a": kind}, fill={"a": value})
    for word in ["preprocess.fill.a", *words]:
        assert word in str(caught.value)


def test_texts_are_joined_in_order_and_missing_ones_are_empty(clean):
    table, _ = clean(
        {"a": ["x", None, None], "b": ["y", "y", None]},
        {"a": "text", "b": "categorical"},
        derive={"t": {"join": ["b", "a"], "separator": "-"}},
    )
    assert table["t"].to_pylist() == ["y-x", "y-", "-"]


def test_ratios_and_differences(clean):
    ways = {"r": {"ratio": ["a", "b"]}, "d": {"difference": ["a", "b"]}, "rr": {"ratio": ["d", "b"]}}
    table, _ = clean({"a": [6, 1, 0, None, 5], "b": [4.0, 0.0, 0.0, 1.0, NAN]}, derive=ways)
    assert table["r"].to_pylist() == [1.5, None, None, None, None]
    assert table["d"].to_pylist() == [2.0, 1.0, 0.0, None, None]
    assert table["rr"].to_pylist() == [0.5, None, None, None, None]


@pytest.mark.parametrize(
    ("bounds", "kept"),
    [([2, 4], [2, 3, 4, None]), ([None, 3], [1, 2, 3, None]), ([4, None], [4, 5, None]), ([2.5, 3.5], [3, None])],
)
def test_bounds_keep_what_is_inside_and_what_is_missing(clean, bounds, kept):
    table, counts = clean({"a": [1, 2, 3, 4, 5, None]}, bounds={"a": bounds})
    assert table["a"].to_pylist() == kept and counts["removed_a_bounds"] == 6 - len(kept)


def test_a_row_out_of_several_bounds_counts_once(clean):
    _, counts = clean({"a": [1, 9, 5, 5], "b": [1, 9, 9, 5]}, bounds={"a": [0, 5], "b": [0, 5]})
    assert (counts["removed_a_bounds"], counts["removed_b_bounds"], counts["rows_out"]) == (1, 1, 1 + 1)


def test_derived_columns_can_be_bounded(clean):
    table, _ = clean({"a": [1, 4], "b": [2, 2]}, derive={"r": {"ratio": ["a", "b"]}}, bounds={"r": [1, None]})
    assert table["a"].to_pylist() == [4]


def test_rows_without_target_go_if_that_is_declared(clean):
    table, counts = clean(
        {"a": [1, 2, 3], "t": ["u", None, "v"]}, {"a": "numerical", "t": "categorical"}, "t", drop_missing_target=True
    )
    assert table["a"].to_pylist() == [1, 3] and counts["removed_missing_target"] == 1


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        pytest.param({"columns": {"weigth": "numerical"}}, ["'weigth'", "did you mean 'weight'", "t.csv"], id="column"),
        pytest.param({"columns": {"weigth": "text", "hight": "text"}}, ["'weigth', 'hight'", "'height'"], id="columns"),
        pytest.param({"fill": {"hieght": 0}}, ["preprocess.fill", "'hieght'", "'height'"], id="fill"),
        pytest.param({"fill": {"more": 0}}, ["preprocess.fill", "'more'"], id="fill-of-an-undeclared-column"),
        pytest.param({"bounds": {"hieght": [0, 1]}}, ["preprocess.bounds", "'height'"], id="bounds"),
        pytest.param({"bounds": {"name": [0, 1]}}, ["preprocess.bounds", "text", "numerical"], id="bounds-of-a-text"),
        pytest.param(
            {"derive": {"d": {"ratio": ["weight", "hieght"]}}}, ["preprocess.derive.d", "'height'"], id="derive"
        ),
        pytest.param({"derive": {"d": {"ratio": ["weight", "name"]}}}, ["'name'", "text"], id="ratio-of-a-text"),
        pytest.param({"derive": {"d": {"join": ["weight"]}}}, ["'weight'", "numerical"], id="join-of-a-number"),
        pytest.param({"derive": {"name": {"join": ["name"]}}}, ["already has", "'name'"], id="derive-of-a-taken-name"),
        pytest.param({"date_format": {"name": "%Y"}}, ["download: {columns: {name:", "'%Y'"], id="date-format"),
        pytest.param({"target": "hight"}, ["target", "'height'"], id="target"),
        pytest.param({"derive": {"d": {}}}, ["section preprocess"], id="wrong-section"),
    ],
)
def test_a_rule_about_a_column_that_is_not_there_is_refused(clean, rules, words):
    columns = {"weight": "numerical", "height": "numerical", "name": "text"}
    raw = {"weight": [1], "height": [2], "name": ["u"], "more": [3]}
    with pytest.raises(Refusal) as caught:
        clean(raw, **{"columns": columns, "target": "weight", **rules})
    for word in words:
        assert word in str(caught.value)


def test_a_table_that_ends_without_rows_is_refused_with_what_took_them(clean):
    with pytest.raises(
        Refusal,
        match=r"(?s)no row is left.*5 rows came in; removed: 2 equal to an earlier row, 3 outside the bounds of a",
    ):
        clean({"a": [1, 2, 3, 3, 3]}, bounds={"a": [10, None]}, drop_duplicates=True)


def test_the_result_has_a_fresh_index_and_the_same_bytes_each_time(clean, tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.integers(0, 50, 5000), "b": rng.choice(list("uvw"), 5000)})
    written = []
    for _ in range(3):
        clean(pa.Table.from_pandas(frame), {"a": "numerical", "b": "categorical"}, bounds={"a": [5, None]})
        written.append((tmp_path / "clean").read_bytes())
    assert written[0] == written[1] == written[2]
    cleaned = read_table(tmp_path / "clean")
    assert cleaned.index.equals(pd.RangeIndex(len(cleaned))) and list(cleaned) == ["a", "b"]


def test_a_failure_leaves_the_earlier_result(clean, tmp_path):
    clean({"a": [1, 2]})
    before = (tmp_path / "clean").read_bytes()
    with pytest.raises(Refusal):
        clean({"a": ["x"]})
    assert (tmp_path / "clean").read_bytes() == before


def test_the_music_is_cleaned_as_by_a_plain_script(clean):
    if not (REAL / "genres_mod.parquet").is_file():
        pytest.skip("the real table genres_mod.parquet is not on this machine")
    frame = pd.read_parquet(REAL / "genres_mod.parquet")
    columns = {column: "numerical" if frame[column].dtype.kind in "if" else "text" for column in frame}
    table, counts = clean(
        pa.Table.from_pandas(frame),
        columns,
        "genre",
        fill={"title": "", "song_name": ""},
        derive={"text_feature": {"join": ["title", "song_name"]}},
        drop_duplicates=True,
    )
    plain = frame.drop_duplicates().reset_index(drop=True)
    plain["title"], plain["song_name"] = plain.title.fillna(""), plain.song_name.fillna("")
    plain["text_feature"] = plain.title + " " + plain.song_name
    pd.testing.assert_frame_equal(table.to_pandas(), plain)
    assert counts["removed_duplicates"] == 921


def test_the_step_reports_its_counts_and_names_the_source(tmp_path, monkeypatch, capsys):
    from kfp import dsl

    pq.write_table(pa.table({"a": [1, 1, 20], "odd (name)": ["x", "x", None]}), tmp_path / "raw")
    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "spool"))
    table = dsl.Dataset(name="table", uri=str(tmp_path / "raw"), metadata={"source": "here/t.csv"})
    clean, metrics = dsl.Dataset(name="clean", uri=str(tmp_path / "clean")), dsl.Metrics(name="metrics")
    section = {
        "target": "a",
        "columns": {"a": "numerical", "odd (name)": "text"},
        "fill": {"odd (name)": ""},
        "drop_duplicates": True,
    }
    preprocess.python_func(section=json.dumps(section), table=table, clean=clean, metrics=metrics)
    counts = {"rows_in": 3, "columns_dropped": 0, "removed_duplicates": 1, "filled_odd _name_": 1, "rows_out": 2}
    assert metrics.metadata == counts == json.loads((tmp_path / "spool").read_text())["scores"]
    assert clean.metadata["rows"] == 2 and clean.metadata["removed"] == "1 equal to an earlier row"
    section["columns"]["odd (name)"], section["fill"] = "numerical", {}
    with pytest.raises(SystemExit):
        preprocess.python_func(section=json.dumps(section), table=table, clean=clean, metrics=metrics)
    assert "here/t.csv, row 1" in capsys.readouterr().out
