"""The same row means the same at every door: training, batch, score, REST and MLflow, compiled or not."""

import json
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.common.batch import Wanted, open_table, predict_table
from components.common.config.download import DownloadArgument
from components.common.config.preprocess import PreprocessArgument
from components.common.config.reading import Notation
from components.common.config.train import TrainArgument
from components.common.inference import load_predictor
from components.common.tests.workbooks import write_workbook
from components.download.download import download_file
from components.preprocess.preprocess import preprocess_file
from components.train.train import train_file
from images.server.tests.in_process import Asked

ROWS = 2400
KINDS = {
    "key": "identifier",
    "amount": "numerical",
    "count": "numerical",
    "paid": "numerical",
    "price": "numerical",
    "member": "categorical",
    "floor": "categorical",
    "zip": "categorical",
    "version": "categorical",
    "word": "categorical",
    "remark": "text",
    "code": "text",
    "seen": "date",
    "born": "date",
    "y": "categorical",
}
READING = {
    "missing": ["?"],
    "columns": {
        "price": {"currency": "$", "thousands": ",", "missing": [-999]},
        "born": {"format": "%d/%m/%Y"},
    },
}


MODELS = {".csv": "random_forest", ".jsonl": "lightgbm", ".parquet": "xgboost"}
"""Each format of a training table with an estimator of another library."""


def made(seed):
    """A table of every kind, with what makes one door differ from another, and its target."""
    rng = np.random.default_rng(seed)

    def gaps(values, share=0.1):
        return pd.Series(values, dtype=object).where(rng.random(ROWS) > share, None)

    floors = rng.integers(-1, 4, ROWS)
    member = rng.random(ROWS) < 0.5
    price = rng.integers(-5, 20_000, ROWS)
    days = pd.Timestamp("2024-02-27") + pd.to_timedelta(rng.integers(0, 900, ROWS), "D")
    frame = pd.DataFrame(
        {
            "key": rng.permutation(ROWS) + 2**53,
            "amount": rng.normal(0, 1e3, ROWS).round(rng.integers(0, 6)),
            "count": rng.integers(0, 2**40, ROWS),
            "paid": rng.random(ROWS) < 0.3,
            "price": gaps([f"${value:,}" if value >= 0 else "-999" for value in price]),
            "member": member,
            "floor": np.where(rng.random(ROWS) < 0.2, np.nan, floors),
            "zip": gaps([f"{value:05d}" for value in rng.integers(0, 40, ROWS)]),
            "version": rng.choice(["1.1", "1.10", "2", "2.50", "1e3", "10"], ROWS),
            "word": gaps(rng.choice(["yes", "?", "Trier", "true love", "-", "Ünï"], ROWS)),
            "remark": gaps(
                rng.choice(["12.0", "True", "007 bond", "2.50 off", "false alarm", "a long way home"], ROWS)
            ),
            "code": rng.choice(["True", "1.0", "x 1.0", "TRUE", "0.0"], ROWS),
            "seen": days + pd.to_timedelta(rng.integers(0, 86_400, ROWS), "s"),
            "born": gaps([f"{day:%d/%m/%Y}" for day in days]),
        }
    )
    score = frame.amount / 1e3 + member + floors / 2 + (price % 7 == 0) + rng.normal(0, 0.3, ROWS)
    return frame.assign(y=np.where(score > 1.2, "high", np.where(score > 0, "middle", "low")))


def write(frame, path):
    """Writes a table as pandas does, by the ending."""
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".jsonl":
        plain = frame.assign(seen=frame.seen.dt.strftime("%Y-%m-%dT%H:%M:%S"))
        plain.to_json(path, orient="records", lines=True, double_precision=15)
    elif path.suffix == ".xlsx":
        plain = frame.assign(seen=frame.seen.dt.strftime("%Y-%m-%dT%H:%M:%S"))
        values = plain.astype(object).where(plain.notna(), None).to_numpy().tolist()
        write_workbook(path, {"rows": [list(frame), *values]})
    else:
        frame.to_parquet(path)
    return path


def raw_of(source, target):
    """What the step download makes of a file."""
    section = DownloadArgument(source=str(source), kinds=KINDS, **READING)
    download_file(section.model_dump(), "", target)
    return target


@pytest.fixture(scope="module", params=[".csv", ".jsonl", ".parquet"])
def trained_on(request):
    return request.param


@pytest.fixture(scope="module")
def table(trained_on):
    return made(len(trained_on))


@pytest.fixture(scope="module")
def trained(trained_on, table, tmp_path_factory):
    """The folder of a model that was trained on the table in a format, and its own answers to the clean table."""
    if (library := MODELS[trained_on]) != "random_forest":
        pytest.importorskip(library, reason=f"{library} is not installed: make estimator MODEL={library}")
    folder = tmp_path_factory.mktemp("trained")
    source = write(table, folder / f"table{trained_on}")
    reading = DownloadArgument(source="", **READING)
    notation = reading.model_dump(include=set(Notation.model_fields))
    section = PreprocessArgument(target="y", columns=KINDS, notation=notation, fill={"word": "none"})
    preprocess_file(section.model_dump(), raw_of(source, folder / "raw"), folder / "clean")
    clean = pq.read_table(folder / "clean")
    assert clean.num_rows == ROWS
    assert str(clean.schema.field("key").type) == "int64"
    train = TrainArgument(
        target="y",
        task="classification",
        columns=KINDS,
        fill={"word": "none"},
        reading=reading.model_dump(exclude={"source", "kinds"}),
        model=MODELS[trained_on],
        n_estimators=8,
        features={"text": {"lowercase": False, "binary": False}},
    )
    paths = [str(folder / name) for name in ("clean", "clean", "model", "report.html")]
    train_file(train.model_dump(), *paths)
    frame = pd.read_parquet(folder / "clean")
    predictor = load_predictor(folder / "model")
    assert predictor.path == "compiled"
    found = predictor.answer({name: frame[name].to_numpy() for name in predictor.columns}, ROWS)
    assert not found.faults and not found.unknown
    return folder, found


@pytest.fixture(scope="module", params=["compiled", "scikit-learn"])
def model(request, trained, tmp_path_factory):
    folder, expected = trained
    if request.param == "compiled":
        return folder / "model", expected.predicted
    plain = tmp_path_factory.mktemp("plain") / "model"
    shutil.copytree(folder / "model", plain)
    plan = json.loads((plain / "compiled" / "plan.json").read_text())
    for key in ("blocks", "width", "estimator"):
        plan.pop(key)
    (plain / "compiled" / "plan.json").write_text(json.dumps(plan))
    assert load_predictor(plain).path == "scikit-learn"
    return plain, expected.predicted


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet", ".xlsx"])
def test_batch_and_score_answer_as_training_did(table, model, tmp_path, ending):
    folder, expected = model
    predictor = load_predictor(folder)
    asked = write(table, tmp_path / f"asked{ending}")
    for source, reading in ((asked, predictor.reading), (raw_of(asked, tmp_path / "raw"), None)):
        with open_table(source, reading, rows=700) as opened:
            tally = predict_table(predictor, opened, tmp_path / "out.parquet", Wanted(keep="none"))
        assert (tally.refused, tally.unknown, tally.missing(predictor.complete)) == (0, {}, {})
        assert pq.read_table(tmp_path / "out.parquet")["prediction"].to_pylist() == expected.tolist()


@pytest.fixture
def server(model):
    return Asked(model[0], extra_columns="ignore")


def json_values(table, name):
    """A column's values as a JSON client sends them."""
    if name == "seen":
        return table[name].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()
    return [None if value is None or value != value else value for value in table[name].tolist()]


def texts(values):
    return [None if value is None else str(value) for value in values]


@pytest.mark.parametrize("written", [list, texts], ids=["values", "texts"])
@pytest.mark.parametrize("form", ["dataframe_records", "dataframe_split", "inputs"])
def test_json_requests_are_answered_as_training_did(table, model, server, form, written):
    columns = {name: written(json_values(table, name)) for name in KINDS if name not in ("key", "y")}
    rows = list(zip(*columns.values(), strict=True))
    body = {
        "dataframe_records": [dict(zip(columns, row, strict=True)) for row in rows],
        "dataframe_split": {"columns": list(columns), "data": rows},
        "inputs": columns,
    }[form]
    answer = server.ask(document={form: body})
    assert answer.status == 200, answer.body[:500]
    assert answer.json()["predictions"] == model[1].tolist()


def test_a_csv_request_is_answered_as_training_did(table, model, server):
    answer = server.ask(body=table.to_csv(index=False).encode(), content_type="text/csv")
    assert answer.status == 200, answer.body[:500]
    assert answer.json()["predictions"] == model[1].tolist()


def test_tensors_are_answered_as_training_did(table, model, server):
    types = {"amount": "FP64", "count": "INT64", "paid": "BOOL", "member": "BOOL"}
    inputs = [
        {"name": name, "shape": [ROWS], "datatype": types.get(name, "BYTES"), "data": json_values(table, name)}
        for name in KINDS
        if name not in ("key", "y", "floor")
    ]
    inputs.append({"name": "floor", "shape": [ROWS], "datatype": "BYTES", "data": texts(json_values(table, "floor"))})
    answer = server.ask("/v2/models/trees/infer", {"inputs": inputs})
    assert answer.status == 200, answer.body[:500]
    (found,) = [one for one in answer.json()["outputs"] if one["name"] == "prediction" or one["datatype"] == "BYTES"][
        :1
    ]
    assert found["data"] == model[1].tolist()


@pytest.mark.parametrize("written", ["as it is", "as texts", "as Arrow reads it"])
def test_mlflow_answers_as_training_did(table, model, written):
    import mlflow.pyfunc

    asked = table.drop(columns="y")
    if written == "as texts":
        asked = pd.DataFrame({name: pd.Series(texts(json_values(table, name)), dtype=object) for name in asked})
    elif written == "as Arrow reads it":
        asked = pa.Table.from_pandas(asked).to_pandas(types_mapper=pd.ArrowDtype)
    found = mlflow.pyfunc.load_model(str(model[0])).predict(asked)
    assert list(found) == model[1].tolist()
