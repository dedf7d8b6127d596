"""One model, one answer: REST, batch and MLflow's own loader agree on every test row of the real tables."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT, command_line, real_table

pytestmark = pytest.mark.run

TABLES = {
    "music_genres": ("genres_mod.parquet", "classification", 12_593),
    "nyc_rentals": ("nyc_airbnb_sample1.csv", "regression", 5_701),
}


@pytest.fixture(scope="module", params=TABLES)
def trained(request, finished, tmp_path_factory):
    """Trains on a real table; gives the use case, the task, the model's folder, its columns and the test split."""
    name, task, rows = TABLES[request.param]
    home = tmp_path_factory.mktemp("parity")
    summary = finished(home, request.param, "--source", real_table(name)).document
    table = pd.read_parquet(home / summary["outputs"]["segregate"]["test"]["path"])
    assert len(table) == rows
    return request.param, task, summary["model"], table


@pytest.fixture(scope="module")
def expected(trained):
    """What `mlflow.pyfunc` says."""
    import mlflow.pyfunc

    _, _, folder, table = trained
    model = mlflow.pyfunc.load_model(folder)
    columns = table[[column.name for column in model.metadata.signature.inputs]]
    # MLflow does not turn whole numbers into doubles by itself.
    return np.asarray(model.predict(columns.astype(dict.fromkeys(columns.select_dtypes("integer"), "float64"))))


@pytest.fixture(scope="module")
def server(trained, tmp_path_factory):
    """A server of that model, on a port of its own."""
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'images' / 'server'}",
        "TABPIPE_SERVE_MODEL": str(trained[2]),
        "TABPIPE_SERVE_PORT": "0",
        "TABPIPE_SERVE_DRAIN": "0",
        "TABPIPE_SERVE_EXTRA_COLUMNS": "ignore",
        "TABPIPE_SERVE_CACHE": str(tmp_path_factory.mktemp("cache")),
    }
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("w") as out:
        process = subprocess.Popen([sys.executable, "-m", "tabpipe_server"], env=environment, stderr=out)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            said = [line for line in log.read_text().splitlines() if "listening on " in line]
            if said and _status((address := said[0].rpartition(" ")[2]) + "/readyz") == 200:
                break
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _status(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except OSError:
        return 0


def _asked(address, body, kind):
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def _assert_equal(task, found, expected):
    if task == "classification":
        assert (np.asarray(found, dtype=object) == expected.astype(object)).all()
    else:
        assert np.abs(np.asarray(found, dtype="float64") - expected).max() <= 1e-6


@pytest.mark.parametrize("form", ["dataframe_split", "dataframe_records", "csv"])
def test_rest_answers_as_mlflow_does(trained, expected, server, form):
    _, task, _, table = trained
    found = []
    for first in range(0, len(table), 5000):
        part = table[first : first + 5000]
        if form == "csv":
            body, kind = part.to_csv(index=False).encode(), "text/csv"
        else:
            orient = form.removeprefix("dataframe_")
            rows = part.reset_index(drop=True).to_json(orient=orient, double_precision=15, date_format="iso")
            if orient == "split":
                rows = json.dumps({key: value for key, value in json.loads(rows).items() if key != "index"})
            body, kind = f'{{"{form}": {rows}}}'.encode(), "application/json"
        found += _asked(server, body, kind)
    _assert_equal(task, found, expected)


def test_rows_asked_one_by_one_get_the_same_answers(trained, expected, server):
    _, task, _, table = trained
    few = table.sample(200, random_state=3)
    records = json.loads(few.to_json(orient="records", double_precision=15, date_format="iso"))
    found = [_asked(server, json.dumps({"instances": [row]}).encode(), "application/json")[0] for row in records]
    _assert_equal(task, found, expected[few.index])


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_batch_answers_as_mlflow_does(trained, expected, tmp_path, ending):
    use_case, task, _, table = trained
    asked, answered = tmp_path / f"asked.{ending}", tmp_path / f"answered.{ending}"
    if ending == "csv":
        table.to_csv(asked, index=False)
    elif ending == "parquet":
        table.to_parquet(asked)
    else:
        table.to_json(asked, orient="records", lines=True, double_precision=15, date_format="iso")
    command = ("predict", "--model", f"{use_case}@champion", str(asked), str(answered))
    done = command_line(*command, env={"TABPIPE_HOME": str(Path(trained[2]).parents[3])}, timeout=120)
    assert done.returncode == 0, done.stderr
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet, "jsonl": lambda path: pd.read_json(path, lines=True)}
    _assert_equal(task, read[ending](answered)["prediction"].to_numpy(), expected)
