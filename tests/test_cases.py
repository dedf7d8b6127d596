"""Small tables that went wrong once, from the source to an answer: each with its right value."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.check_data.check_data import check_file
from components.common.base.errors import Refusal
from components.common.batch import Wanted, open_table, predict_table
from components.common.inference import load_predictor
from components.download.download import download_file
from components.preprocess.preprocess import preprocess_file
from components.train.train import train_file
from images.server.tests.in_process import Asked
from tabpipe.ab.join import joined
from tabpipe.ab.outcomes import read_outcomes
from tabpipe.config import load

CASES = Path(__file__).resolve().parent.parent / "components" / "common" / "tests" / "cases"


def arguments_of(name, source, tmp_path, **overrides):
    """What the steps are handed by the config of a case."""
    given = [f"download.source={source}", *(f"{key}={value}" for key, value in overrides.items())]
    (tmp_path / "config").mkdir(exist_ok=True)
    copy = tmp_path / "config" / f"{name}.yaml"
    copy.write_bytes((CASES / f"{name}.yaml").read_bytes())
    return {step: json.loads(section) for step, section in load(str(copy), given).arguments(name).items()}


def clean_table(name, source, tmp_path, **overrides):
    """The clean table of a case, and the arguments."""
    sections = arguments_of(name, source, tmp_path, **overrides)
    download_file(sections["download"], "", tmp_path / "raw")
    preprocess_file(sections["preprocess"], tmp_path / "raw", tmp_path / "clean", called=str(source))
    return pd.read_parquet(tmp_path / "clean"), sections


def model_of(name, source, tmp_path, **overrides):
    """A model that is trained on a case's table."""
    _, sections = clean_table(name, source, tmp_path, **overrides)
    paths = [str(tmp_path / file) for file in ("clean", "clean", "model", "report.html")]
    train_file(sections["train"], *paths)
    return load_predictor(tmp_path / "model")


def answers(predictor, source, out, **wanted):
    """The predictions for a file, read without any option."""
    with open_table(source, predictor.reading, rows=100) as table:
        tally = predict_table(predictor, table, out, Wanted(keep="none", **wanted), rejects=f"{out}.rejects.jsonl")
    return pd.read_parquet(out)["prediction"].tolist(), tally


def test_what_pandas_writes_is_answered_as_it_was_learnt(tmp_path):
    predictor = model_of("member", CASES / "member.csv", tmp_path)
    found, tally = answers(predictor, CASES / "member.csv", tmp_path / "out.parquet")
    truth = pd.read_csv(CASES / "member.csv")["outcome"]
    assert (np.array(found) == truth).mean() > 0.85 and not tally.unknown


def test_a_file_is_read_as_the_training_table_was(tmp_path):
    predictor = model_of("latin", CASES / "latin.csv", tmp_path)
    found, tally = answers(predictor, CASES / "latin.csv", tmp_path / "out.parquet")
    assert tally.answered == 200 and not tally.unknown
    assert predictor.choices["c"] == sorted(set(pd.read_csv(CASES / "latin.csv", sep=";", encoding="cp1252")["c"]))
    server = Asked(tmp_path / "model", extra_columns="ignore")
    answer = server.ask(body=(CASES / "latin.csv").read_bytes(), content_type="text/csv")
    assert answer.status == 200 and answer.json()["predictions"] == found
    # Where the request says its encoding, that holds; and a header may show commas.
    text = (CASES / "latin.csv").read_bytes().decode("cp1252").replace(";", ",")
    answer = server.ask(body=text.encode(), content_type="text/csv; charset=utf-8")
    assert answer.status == 200 and answer.json()["predictions"] == found


@pytest.mark.parametrize("ids", [str, float], ids=["17", "17.0"])
def test_outcomes_are_classes_as_training_reads_them(tmp_path, ids):
    outcomes = read_outcomes(str(CASES / "outc.csv"), "rid", "y")
    assert set(outcomes.table["truth"]) == {"true", "false"} and outcomes.table["id"].iloc[0] == "0"
    rows = len(outcomes.table)
    log = pd.DataFrame(
        {
            "id": [str(ids(row)) for row in range(rows)],
            "request_id": "r",
            "row": range(rows),
            "time": pd.Timestamp("2026-01-01", tz="UTC"),
            "key": "k",
            "role": "champion",
            "version": "v1",
            "shadow": False,
            "value": np.nan,
            "prediction": "false",
            "probabilities": None,
            "classes": None,
        }
    )
    found = joined(log, outcomes)
    assert len(found.rows) == rows and found.counts["ids_without_outcome"] == 0


def test_identifiers_keep_their_digits(tmp_path):
    clean, _ = clean_table("decid", CASES / "decimal-ids.parquet", tmp_path, **{"preprocess.drop_duplicates": "true"})
    exact = [str(value) for value in pq.read_table(CASES / "decimal-ids.parquet")["order_no"].to_pylist()]
    assert clean["order_no"].astype(str).tolist() == exact and len(set(exact)) == 300


@pytest.mark.parametrize("reference", ["reference_semicolon.csv", "reference_comma.csv"])
def test_drift_from_a_declared_reference_is_seen_however_that_is_delimited(tmp_path, reference):
    drift = {"check_data.drift.reference": CASES / reference}
    _, sections = clean_table("reference", CASES / "new.csv", tmp_path, **drift)
    paths = [str(tmp_path / name) for name in ("clean", "none", "accepted", "report.html")]
    with pytest.raises(Refusal, match=r"(?s)column 'a', drift: p = .*e-1\d\d"):
        check_file(sections["check_data"], paths[0], "", *paths[2:])
    assert not (tmp_path / "accepted").exists()


def test_a_reference_without_a_common_column_is_refused(tmp_path):
    drift = {"check_data.drift.reference": CASES / "unrelated.csv"}
    _, sections = clean_table("reference", CASES / "new.csv", tmp_path, **drift)
    with pytest.raises(Refusal, match=r"(?s)lacks 'a', 'b'.*x, z"):
        check_file(sections["check_data"], str(tmp_path / "clean"), "", str(tmp_path / "a"), str(tmp_path / "r.html"))


def test_a_feature_that_is_wholly_empty_is_no_answer(tmp_path):
    predictor = model_of("boolt", CASES / "boolt.csv", tmp_path)
    assert set(predictor.complete) == {"x", "g"}
    with pytest.raises(Refusal, match=r"(?s)column x: the column has no value in any row.*training never missed"):
        answers(predictor, CASES / "empty_feature.csv", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    some = tmp_path / "some.csv"
    some.write_text("x,g\n,red\n12,blue\n")
    found, tally = answers(predictor, some, tmp_path / "out.parquet")
    assert len(found) == 2 and tally.missing(predictor.complete) == {"x": 1}


def test_a_column_of_nothing_but_unknown_values_is_no_answer(tmp_path):
    predictor = model_of("boolt", CASES / "boolt.csv", tmp_path)
    strange, some = tmp_path / "strange.csv", tmp_path / "some.csv"
    strange.write_text("x,g\n1,rouge\n2,bleu\n")
    some.write_text("x,g\n1,red\n2,bleu\n3,blue\n")
    with pytest.raises(Refusal, match=r"(?s)column g: 2 of 2 values .*value: rouge.*--max-unknown"):
        answers(predictor, strange, tmp_path / "out.parquet")
    assert answers(predictor, strange, tmp_path / "out.parquet", max_unknown="100%")[1].unknown == {"g": 2}
    assert answers(predictor, some, tmp_path / "out.parquet", max_unknown="1")[1].unknown == {"g": 1}
    with pytest.raises(Refusal, match=r"1 of 3 values"):
        answers(predictor, some, tmp_path / "out.parquet", max_unknown="20%")


def test_a_row_with_a_huge_cell_is_a_reject_and_the_rest_is_answered(tmp_path):
    predictor = model_of("boolt", CASES / "boolt.csv", tmp_path)
    text = "x,g,note\n" + "".join(f"{row},red,{'z' * 3_000_000 if row == 5 else 'a'}\n" for row in range(9))
    (tmp_path / "huge.csv").write_text(text)
    found, tally = answers(predictor, tmp_path / "huge.csv", tmp_path / "out.parquet")
    assert len(found) == 8 and tally.refused == 1
    (refused,) = (tmp_path / "out.parquet.rejects.jsonl").read_text().splitlines()
    assert 6 in json.loads(refused).values()


@pytest.mark.parametrize(
    ("file", "column", "overrides"),
    [
        ("euro.csv", "x", {"download.delimiter": ";", "download.decimal": '","'}),
        ("question.csv", "horsepower", {"download.missing": '["?"]'}),
        ("m999.csv", "m999", {"download.columns.m999.missing": "[-999]"}),
        ("thousands.csv", "price", {"download.thousands": '","'}),
        ("currency_target.csv", "price", {"download.columns.price": "{currency: $, thousands: ','}"}),
        ("dmy.csv", "when", {"download.columns.when.format": "'%d/%m/%Y'"}),
    ],
)
def test_numbers_are_read_as_the_config_says_that_they_are_written(tmp_path, file, column, overrides):
    (tmp_path / "config").mkdir()
    kind = "date" if column == "when" else "numerical"
    config = tmp_path / "config" / "numbers.yaml"
    source = f"download: {{source: {CASES / file}}}"
    config.write_text(f"target: {column}\ntask: regression\ncolumns: {{{column}: numerical}}\n{source}")
    if kind == "date":
        config.write_text(f"target: y\ncolumns: {{when: date, y: categorical}}\n{source}")
    given = [f"{key}={value}" for key, value in overrides.items()]
    sections = {key: json.loads(text) for key, text in load(str(config), given).arguments("numbers").items()}
    download_file(sections["download"], "", tmp_path / "raw")
    preprocess_file(sections["preprocess"], tmp_path / "raw", tmp_path / "clean")
    values = pd.read_parquet(tmp_path / "clean")[column]
    assert values.dtype.kind == "M" if kind == "date" else values.dtype.kind in "if"
    plain = pd.read_csv(CASES / "base.csv")["x"]
    if file == "euro.csv":
        assert values.tolist() == plain.tolist()
    elif file in ("thousands.csv", "currency_target.csv"):
        assert values.between(1000, 20_000).all()
    elif file == "m999.csv":
        assert values.dropna().min() > 0 and 0 < values.isna().mean() < 0.5
