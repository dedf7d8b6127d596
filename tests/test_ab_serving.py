"""Two models served side by side, asked, and told apart by what turned out to be true."""

import json
import os
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pandas as pd
import pytest

from bench.serving.load import ask, predictions
from bench.serving.servers import free_port, serving
from tests.conftest import ROOT, command_line

pytestmark = pytest.mark.run

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A good and a bad model of irises, and rows that neither was trained on."""
    found, home = {}, tmp_path_factory.mktemp("home")
    for name, override in (("good", "train.C=1.0"), ("bad", "train.C=0.0005")):
        only = ["--steps", "download,preprocess,check_data,segregate,train"]
        done = command_line("run", "iris", "--json", *only, override, env={"TABPIPE_HOME": str(home)}, timeout=120)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        found[name] = Path(summary["model"])
        rows = pd.read_parquet(home / summary["outputs"]["segregate"]["test"]["path"])
    return found, rows


def until_both_answer(port):
    deadline = time.monotonic() + 30
    while not json.load(urlopen(f"http://127.0.0.1:{port}/readyz")).get("challenger"):
        assert time.monotonic() < deadline, "the challenger does not come"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [({"SHADOW": "true"}, "paired"), ({"FRACTION": "0.5"}, "split")],
    ids=["shadow", "split"],
)
def test_the_better_of_two_served_models_is_told(models, tmp_path, mode, kind):
    folders, rows = models
    columns = [name for name in rows.columns if name != "species" and name in COLUMNS]
    port, log = free_port(), tmp_path / "log"
    settings = {
        "MODEL": folders["bad"],
        "CHALLENGER": folders["good"],
        "NAME": "iris",
        "PORT": port,
        "CACHE": tmp_path / "cache",
        "LOG": log,
        "LOG_SECONDS": "1",
        "ID_COLUMN": "flower",
        "DRAIN": "0",
        **mode,
    }
    env = {f"TABPIPE_SERVE_{name}": str(value) for name, value in settings.items()}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")])

    def body(flower, row):
        record = {"flower": flower, **{name: row[name] for name in columns}}
        # With a key of its own each flower gets the same model in every run of this test.
        return json.dumps({"dataframe_records": [record], "params": {"key": flower}}).encode()

    asked = [(f"{copy}-{at}", row) for copy in range(8) for at, (_, row) in enumerate(rows.iterrows())]
    first = body("first", rows.iloc[0])
    with serving("tabpipe", [sys.executable, "-m", "tabpipe_server"], env, port, first, tmp_path / "said"):
        until_both_answer(port)
        for flower, row in asked:
            assert len(predictions(ask("127.0.0.1", port, body(flower, row)))) == 1
    truth = tmp_path / "species.csv"
    pd.DataFrame([(flower, row["species"]) for flower, row in asked], columns=["flower", "species"]).to_csv(truth)
    page = tmp_path / "ab.html"
    arguments = ["--log", str(log), "--outcomes", str(truth), "--id", "flower", "--truth", "species"]
    done = command_line("ab", "report", "iris", *arguments, "--html", str(page), "--json", timeout=60)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["better"] == "challenger", told["sentence"]
    assert told["comparisons"][0]["kind"] == kind
    answered = sum(one["with_outcome"] for one in told["models"] if not one["shadow"])
    assert answered == len(asked)
    if kind == "paired":
        assert told["comparisons"][0]["challenger"]["rows"] == len(asked)
    assert "is better" in page.read_text()
