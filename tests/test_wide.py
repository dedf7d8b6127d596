"""A wide table whose columns are declared by patterns: every step, the model and the server mean the same columns."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.check_data.check_data import check_file
from components.common.batch import Wanted, open_table, predict_table
from components.common.inference import load_predictor
from components.download.download import download_file
from components.preprocess.preprocess import preprocess_file
from components.segregate.segregate import segregate_file
from components.train.train import train_file
from images.server.tests.in_process import Asked
from tabpipe.compile.pipeline_yaml import compile_training
from tabpipe.config import load

COLUMNS, ROWS = 600, 90
CONFIG = """
target: f_y
columns:
  "*note": text
  f_y: categorical
  f*: numerical
  id: identifier
  "*": categorical
download:
  source: {source}
  columns: {{f1*: {{missing: ["?"], decimal: ","}}}}
preprocess:
  fill: {{f2*: 0, "*note": ""}}
  bounds: {{f3*: [-9, 9]}}
  derive: {{f_apart: {{difference: [f5, f6]}}}}
check_data:
  columns: {{f1*: {{missing: true}}, "*note": {{missing: true}}}}
train:
  model: linear
  features: {{use: [f*, place], columns: {{f1*: {{impute: mean}}}}}}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The use case, its table, the columns of the clean table, and the folder of the model."""
    folder = tmp_path_factory.mktemp("wide")
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(ROWS, COLUMNS)).round(3), columns=[f"f{at}" for at in range(COLUMNS)])
    table.insert(2, "f_y", np.where(table["f0"] > 0, "high", "low"))
    table = table.assign(
        id=np.arange(ROWS), place=random.choice(["a", "b"], ROWS), a_note="x", f2=table["f2"].mask(table["f2"] > 1)
    )
    written = table.astype(object)
    commas = [name for name in table if name.startswith("f1")]
    written[commas] = written[commas].astype(str).replace(r"\.", ",", regex=True).mask(table[commas] > 2, "?")
    written.to_csv(folder / "wide.csv", index=False, sep=";")
    (folder / "wide.yaml").write_text(CONFIG.format(source=folder / "wide.csv") + "  max_iter: 50\n")
    use_case = load(str(folder / "wide.yaml"), ["download.delimiter=;"])
    steps = {step: json.loads(section) for step, section in use_case.arguments("wide").items()}
    path = {name: str(folder / name) for name in ("raw", "clean", "accepted", "train", "validation", "test", "model")}
    download_file(steps["download"], "", path["raw"])
    counts = preprocess_file(steps["preprocess"], path["raw"], path["clean"])
    check_file(steps["check_data"], path["clean"], "", path["accepted"], str(folder / "page.html"))
    segregate_file(steps["segregate"], *(path[name] for name in ("accepted", "train", "validation", "test")))
    train_file(steps["train"], path["train"], path["validation"], path["model"], str(folder / "report.html"))
    return use_case, written, counts, folder


def test_the_clean_table_has_the_columns_in_the_order_of_the_config(made):
    _, table, counts, folder = made
    numbers = [name for name in table if name.startswith("f") and name != "f_y"]
    schema = pq.read_schema(folder / "clean")
    assert schema.names == ["a_note", "f_y", *numbers, "id", "place", "f_apart"]
    assert {str(schema.field(name).type) for name in numbers} == {"double"}
    assert counts["filled_f2_"] == table["f2"].isna().sum() > 0  # one count for the rule, not one for each column
    assert len(counts) < 10


def test_the_model_is_asked_with_the_names_that_it_learnt_from(made, tmp_path):
    _, table, _, folder = made
    predictor = load_predictor(folder / "model")
    assert len(predictor.columns) == COLUMNS + 1 and predictor.derived == ("f_apart",)
    assert predictor.path == "compiled" and predictor.reading.delimiter == ";"
    with open_table(folder / "wide.csv", predictor.reading, rows=50) as source:
        tally = predict_table(predictor, source, tmp_path / "out.parquet", Wanted(keep="ids"))
    assert tally.answered == ROWS and not tally.refused
    row = {name: value for name, value in table.iloc[0].items() if name in predictor.columns and value == value}
    answer = Asked(folder / "model").ask(document={"dataframe_records": [row]}).json()
    assert answer["predictions"] == pd.read_parquet(tmp_path / "out.parquet")["prediction"].tolist()[:1]


def test_a_compiled_pipeline_and_the_pages_of_a_wide_table_are_small(made, tmp_path):
    use_case, _, _, folder = made
    assert compile_training(use_case, "wide", tmp_path / "train.yaml") < 100_000
    for page in ("page.html", "report.html"):
        assert (folder / page).stat().st_size < 1_000_000
