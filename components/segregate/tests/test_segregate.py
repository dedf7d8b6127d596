import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from components.common.base.errors import Refusal
from components.common.tables.parquet import read_table, write_table
from components.segregate.component import segregate
from components.segregate.segregate import segregate_file

REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", Path(__file__).resolve().parents[3].parent / "shared" / "data"))
SPLITS = ("train", "validation", "test")


@pytest.fixture
def split(tmp_path):
    """Splits a table; returns the three parts."""

    def run(frame, task="classification", target="label", **section):
        write_table(frame, tmp_path / "accepted")
        paths = [tmp_path / name for name in SPLITS]
        section = {"target": target, "task": task, **section}
        counts = segregate_file(section, tmp_path / "accepted", *paths)
        parts = [read_table(path) for path in paths]
        assert counts == {f"rows_{name}": len(part) for name, part in zip(SPLITS, parts, strict=True)}
        assert pd.concat(parts).sort_values("id").reset_index(drop=True).equals(frame), "every row once"
        return parts

    return run


def frame(rows=200, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "label": rng.choice(["rare", "often", "Mid"], rows, p=[0.1, 0.6, 0.3]),
            "place": rng.choice(["Bronx", "Queens"], rows, p=[0.15, 0.85]),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.integers(0, 60, rows), "D"),
            "host": rng.integers(0, 40, rows),
            "price": rng.normal(100, 10, rows),
            "flag": rng.random(rows) < 0.4,
        }
    )


def plain(table, column, test_size=0.3, validation_size=0.3, seed=42):
    """What a plain script does."""
    strata = lambda part: part[column] if column else None  # noqa: E731
    rest, test = train_test_split(table, test_size=test_size, random_state=seed, stratify=strata(table))
    train, validation = train_test_split(rest, test_size=validation_size, random_state=seed, stratify=strata(rest))
    return [part.reset_index(drop=True) for part in (train, validation, test)]


@pytest.mark.parametrize(
    ("section", "column"),
    [
        pytest.param({}, "label", id="classes"),
        pytest.param({"stratify": "place"}, "place", id="another-column"),
        pytest.param({"stratify": "flag"}, "flag", id="booleans"),
        pytest.param({"stratify": "host", "test_size": 0.5, "validation_size": 0.4}, "host", id="numbers"),
        pytest.param({"stratify": False}, None, id="no-strata"),
        pytest.param({"task": "regression", "target": "price"}, None, id="regression"),
        pytest.param({"task": "regression", "target": "price", "stratify": "place"}, "place", id="regression-by-place"),
        pytest.param({"test_size": 0.2, "validation_size": 0.25, "seed": 7}, "label", id="other-sizes-and-seed"),
    ],
)
def test_rows_and_their_order_are_those_of_a_plain_script(split, section, column):
    table = frame(400)
    if column == "host":
        table["host"] %= 20
    expected = plain(
        table, column, **{key: section[key] for key in ("test_size", "validation_size", "seed") if key in section}
    )
    for part, wanted in zip(split(table, **section), expected, strict=True):
        pd.testing.assert_frame_equal(part, wanted)


@pytest.mark.parametrize(
    ("name", "column"), [("genres_mod.parquet", "genre"), ("nyc_airbnb_sample1.csv", "neighbourhood_group")]
)
def test_real_tables_are_split_as_by_a_plain_script(split, name, column):
    if not (REAL / name).is_file():
        pytest.skip(f"the real table {name} is not on this machine")
    table = pd.read_csv(REAL / name) if name.endswith("csv") else pd.read_parquet(REAL / name)
    table["id"] = np.arange(len(table))
    for part, wanted in zip(split(table, target=column), plain(table, column), strict=True):
        pd.testing.assert_frame_equal(part, wanted)


def test_the_same_bytes_and_seed_give_the_same_files(split, tmp_path):
    split(frame())
    first = [(tmp_path / name).read_bytes() for name in SPLITS]
    split(frame())
    assert [(tmp_path / name).read_bytes() for name in SPLITS] == first
    split(frame(), seed=1)
    assert [(tmp_path / name).read_bytes() for name in SPLITS] != first


@pytest.mark.parametrize("section", [{}, {"stratify": "place"}], ids=["classes", "place"])
def test_strata_keep_their_shares(split, section):
    table = frame(1000)
    column = section.get("stratify", "label")
    for part in split(table, **section):
        shares = part[column].value_counts(normalize=True) - table[column].value_counts(normalize=True)
        assert shares.abs().max() < 0.01


def test_by_time_the_latest_rows_are_test_and_days_stay_whole(split):
    train, validation, test = split(frame(1000), by_time="day", test_size=0.2, validation_size=0.25)
    assert train.day.max() < validation.day.min() and validation.day.max() < test.day.min()
    assert abs(len(test) - 200) < 20 and abs(len(validation) - 200) < 20


def test_by_time_takes_the_cut_that_is_nearer(split):
    table = frame(10).assign(day=pd.to_datetime(["2026-01-01"] * 4 + ["2026-01-02"] * 3 + ["2026-01-03"] * 3))
    assert [len(part) for part in split(table, by_time="day", test_size=0.2, validation_size=0.5)] == [4, 3, 3]


def test_by_time_rows_are_in_the_order_of_time_then_of_the_table(split):
    for part in split(frame(300), by_time="day"):
        assert part[["day", "id"]].apply(tuple, axis=1).is_monotonic_increasing


@pytest.mark.parametrize("column", ["id", "price"])
def test_by_time_takes_numbers_too(split, column):
    train, _, test = split(frame(100), by_time=column)
    assert train[column].max() < test[column].min()


@pytest.mark.parametrize("column", ["host", "place_and_host"])
def test_groups_stay_together(split, column):
    table = frame(600).assign(place_and_host=lambda t: t.place + t.host.astype(str))
    train, validation, test = split(table, group=column)
    groups = [set(part[column]) for part in (train, validation, test)]
    assert not groups[0] & groups[1] and not groups[0] & groups[2] and not groups[1] & groups[2]
    _, expected = next(GroupShuffleSplit(1, test_size=0.3, random_state=42).split(table, groups=table[column]))
    assert test.id.tolist() == expected.tolist()


def gaps(column):
    return frame().assign(**{column: frame()[column].where(frame().id % 10 > 0)})


RARE = frame(60).assign(label=lambda t: np.where(t.id < 1, "solo", np.where(t.id % 2, "a", "b")))


@pytest.mark.parametrize(
    ("table", "section", "words"),
    [
        pytest.param(frame(1), {}, ["1 row cannot", "duplicates"], id="one-row"),
        pytest.param(frame(2), {"stratify": False}, ["2 rows cannot"], id="two-rows"),
        pytest.param(frame(0), {}, ["0 rows cannot"], id="no-row"),
        pytest.param(RARE, {}, ["'solo'", "'label'", "one row", "three rows"], id="class-with-one-row"),
        pytest.param(
            RARE.assign(label=RARE.label.where(RARE.id != 1, "solo")),
            {"test_size": 0.5},
            ["'solo'", "left"],
            id="class-with-two-rows",
        ),
        pytest.param(
            frame(20), {"test_size": 0.1}, ["2 rows cannot hold the 3 classes", "the test split"], id="small-test"
        ),
        pytest.param(
            frame(20), {"validation_size": 0.1}, ["2 rows cannot hold", "the validation split"], id="small-validation"
        ),
        pytest.param(frame(20), {"test_size": 0.9}, ["2 rows cannot hold the 3 classes"], id="small-rest"),
        pytest.param(frame(5), {"stratify": False, "test_size": 0.9}, ["5 rows leave none"], id="empty-rest"),
        pytest.param(
            frame(4), {"stratify": False, "test_size": 0.7}, ["1 rows leave none", "validation"], id="empty-validation"
        ),
        pytest.param(
            frame(), {"stratify": "plaice"}, ["segregate.stratify", "'plaice'", "'place'"], id="unknown-strata"
        ),
        pytest.param(frame(), {"by_time": "days"}, ["segregate.by_time", "'day'"], id="unknown-time"),
        pytest.param(frame(), {"group": "hots"}, ["segregate.group", "'host'"], id="unknown-group"),
        pytest.param(gaps("label"), {}, ["'label'", "20 of 200", "missing"], id="missing-class"),
        pytest.param(gaps("day"), {"by_time": "day"}, ["'day'", "missing"], id="missing-time"),
        pytest.param(gaps("host"), {"group": "host"}, ["'host'", "missing"], id="missing-group"),
        pytest.param(frame(), {"by_time": "place"}, ["no dates", "declare it as date"], id="time-that-is-text"),
        pytest.param(
            frame().assign(day=pd.Timestamp("2026-01-01")), {"by_time": "day"}, ["same time", "2026"], id="one-time"
        ),
        pytest.param(frame().assign(host=1), {"group": "host"}, ["1 group cannot"], id="one-group"),
        pytest.param(
            frame().assign(host=frame().id % 2), {"group": "host"}, ["1 group cannot", "validation"], id="two-groups"
        ),
        pytest.param(frame(), {"test_size": 1}, ["test_size"], id="impossible-share"),
        pytest.param(frame(), {"by_time": "day", "group": "host"}, ["by_time or group"], id="two-ways"),
    ],
)
def test_an_impossible_split_is_refused(split, tmp_path, table, section, words):
    with pytest.raises(Refusal) as caught:
        split(table, **section)
    for word in words:
        assert word in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["accepted"], "no split is written"


def test_strata_beside_time_have_no_effect_and_that_is_said(split, capsys):
    split(frame(), by_time="day", stratify="place")
    assert "segregate.stratify=place has no effect" in capsys.readouterr().out


def test_the_step_stamps_its_three_tables(tmp_path, monkeypatch):
    from kfp import dsl

    write_table(frame(), tmp_path / "accepted")
    monkeypatch.setenv("TABPIPE_TRACKING_SPOOL", str(tmp_path / "spool"))
    parts = {name: dsl.Dataset(name=name, uri=str(tmp_path / name)) for name in SPLITS}
    accepted = dsl.Dataset(name="accepted", uri=str(tmp_path / "accepted"))
    segregate.python_func(section=json.dumps({"target": "label", "task": "classification"}), accepted=accepted, **parts)
    assert {name: part.metadata["rows"] for name, part in parts.items()} == {"train": 98, "validation": 42, "test": 60}
    record = json.loads((tmp_path / "spool").read_text())
    assert record["scores"] == {"rows_train": 98, "rows_validation": 42, "rows_test": 60}
    assert pa.parquet.read_schema(tmp_path / "train").names == list(frame())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "shuffled, stratified by kind, seed 42, test 0.3, validation 0.3 of the rest"),
        ({"stratify": False, "seed": 7}, "shuffled, seed 7, test 0.3, validation 0.3 of the rest"),
        ({"group": "host", "stratify": "x"}, "by groups of host, seed 42, test 0.3, validation 0.3 of the rest"),
        ({"by_time": "day", "seed": 7, "test_size": 0.2}, "by time of day, test 0.2, validation 0.3 of the rest"),
    ],
    ids=["strata", "shuffle", "group", "time"],
)
def test_the_rule_of_a_split_is_what_it_comes_to(settings, words):
    from components.common.config.segregate import SegregateArgument

    rule = SegregateArgument(target="kind", task="classification", **settings).rule
    assert str(rule) == words
    assert type(rule).model_validate_json(rule.model_dump_json(exclude_none=True)) == rule
