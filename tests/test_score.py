"""The pipeline score: its step on real models of a real store, its compiled form, its runs and their cache."""

import json
import os
import signal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from components.common.artifacts import open_store
from components.common.base.errors import Refusal
from components.common.inference import load_predictor
from components.common.registry import model_name, promote, standing
from components.common.registry.model_ref import bring_marked, mark_of, version_of
from components.common.tables.parquet import write_table
from components.predict.predict import predict_file
from components.resolve.resolve import resolve_score_inputs
from components.train.tests.trees import section, trees
from components.train.train import train_file
from tabpipe.cli.main import main
from tabpipe.compile.images import image_of
from tabpipe.compile.pipeline_yaml import compile_score
from tabpipe.config import load
from tests.conftest import command_line


@pytest.fixture(scope="module", params=["classification", "regression"])
def stored(request, tmp_path_factory):
    """A store with a model of trees that is champion, and the predictor of that very model."""
    folder = tmp_path_factory.mktemp(request.param)
    write_table(trees(), folder / "train")
    write_table(trees(120, 1), folder / "validation")
    argument = section(request.param).model_dump(mode="json")
    train_file(argument, folder / "train", folder / "validation", folder / "model", folder / "report")
    store = open_store(folder / "artifacts")
    store.put(model_name("trees"), folder / "model")
    promote(store, standing(store, "trees"), f"{model_name('trees')}:v0")
    return SimpleNamespace(store=store, url=str(folder / "artifacts"), predictor=load_predictor(folder / "model"))


@pytest.fixture
def step(stored, tmp_path, monkeypatch):
    """Runs the step's logic on a table; returns its counts, tables, and the text of its report."""
    monkeypatch.setenv("TABPIPE_ARTIFACTS", stored.url)
    mark = mark_of(version_of(stored.store, "trees", "champion"))

    def run(table, mark=mark, **changes):
        write_table(table, tmp_path / "table")
        names = ("predictions", "rejects", "report")
        paths = [str(tmp_path / name) for name in names]
        argument = {"use_case": "trees", "chunk": 32, **changes}
        counts = predict_file(argument, mark, str(tmp_path / "table"), *paths)
        return SimpleNamespace(
            counts=counts,
            predictions=pd.read_parquet(paths[0]),
            rejects=pd.read_parquet(paths[1]),
            report=(tmp_path / "report").read_text(),
        )

    return run


def test_the_step_answers_each_row_by_the_model_that_is_meant(stored, step):
    table = trees(100, seed=7)
    table.loc[5, "bark"] = "birch"
    done = step(table, probabilities=True)
    columns = {name: table[name].astype(object).where(table[name].notna(), None).tolist() for name in table}
    columns["seen"] = table["seen"].to_numpy()
    whole = stored.predictor.answer({name: columns[name] for name in stored.predictor.columns}, 100)
    assert done.predictions["prediction"].tolist() == whole.predicted.tolist()
    assert done.predictions["id"].tolist() == table["id"].tolist() and set(done.predictions["model_version"]) == {"v0"}
    assert done.counts == {"rows": 100, "answered": 100, "refused": 0, "unknown_values": 1, "missing_values": 0}
    assert len(done.rejects) == 0 and list(done.rejects)[-4:] == ["row", "column", "value", "rule"]
    assert "All rows were answered" in done.report and "bark" in done.report
    if stored.predictor.classes:
        each = done.predictions[[f"probability_{name}" for name in stored.predictor.classes]]
        np.testing.assert_array_equal(each.to_numpy(), whole.probabilities)
        assert all(name in done.report for name in stored.predictor.classes)
    else:
        assert "probability" not in done.predictions and "Values" in done.report


def test_refused_rows_are_in_their_table_and_in_the_report(step):
    table = trees(50, seed=7)
    table["girth"] = [f"{value:.1f}" if value == value else None for value in table["girth"]]
    table.loc[[3, 40], "girth"] = [
        "thick",
        "<blink>",
    ]  # such a column is text in the table that download makes of a CSV
    done = step(table)
    assert (done.counts["answered"], done.counts["refused"]) == (48, 2)
    assert done.rejects["row"].tolist() == [4, 41] and done.rejects["value"].tolist() == ["thick", "<blink>"]
    assert done.rejects["id"].tolist() == [3, 40]
    assert "2 of 50 rows (4 %) were refused" in done.report and "thick" in done.report and "<blink>" not in done.report


def test_too_many_refused_rows_fail_the_step_and_the_report_says_why(step, tmp_path):
    table = trees(50, seed=7).astype({"girth": object}).astype({"girth": str})
    table.loc[[3, 40], "girth"] = "thick"
    with pytest.raises(Refusal, match="2 of 50 rows"):
        step(table, max_rejects="1")
    assert "thick" in (tmp_path / "report").read_text() and pq.read_metadata(tmp_path / "rejects").num_rows == 2
    assert not (tmp_path / "predictions").exists()


def test_a_table_without_a_needed_column_is_refused(step):
    with pytest.raises(Refusal, match=r"no column 'height'.*and 1 more: place"):
        step(trees(5).drop(columns=["height", "place"]).assign(heigth=1.0))


def test_a_mark_stands_for_the_very_bytes(stored, tmp_path):
    version = version_of(stored.store, "trees", "champion")
    assert bring_marked(stored.store, mark_of(version), tmp_path / "model") == version
    for mark, said in ((f"{version.ref} {'0' * 64}", "another model"), (version.ref, "names no model")):
        with pytest.raises(Refusal, match=said):
            bring_marked(stored.store, mark, tmp_path / "other")
    with pytest.raises(Refusal, match="did you mean 'trees'"):
        version_of(stored.store, "treees", "champion")


def test_the_resolving_step_follows_the_champion(stored, tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_ARTIFACTS", stored.url)
    write_table(trees(5), tmp_path / "t.parquet")
    download, predict = {"source": str(tmp_path / "t.parquet")}, {"use_case": "trees"}
    checksum, model = resolve_score_inputs(download, predict)
    assert len(checksum) == 64 and model == mark_of(version_of(stored.store, "trees", "champion"))
    with pytest.raises(Refusal, match="no version v7"):
        resolve_score_inputs(download, {**predict, "model": "v7"})


def test_the_compiled_pipeline_has_three_steps_and_the_config_s_values(tmp_path):
    from kfp import components

    compile_score(load("iris", ["predict.probabilities=true"]), "iris", tmp_path / "score.yaml", "localhost:5001")
    assert components.load_component_from_file(str(tmp_path / "score.yaml"))
    spec, platform = yaml.safe_load_all((tmp_path / "score.yaml").read_text())
    assert set(spec["root"]["dag"]["tasks"]) == {"resolve-score", "download", "predict"}
    assert spec["root"]["dag"]["tasks"]["resolve-score"].get("cachingOptions") in (None, {})
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == {"download", "predict"}
    assert parameters["predict"]["defaultValue"]["probabilities"] is True
    executors = spec["deploymentSpec"]["executors"]
    for name, step in (("resolve-score", "resolve"), ("download", "download"), ("predict", "predict")):
        container = executors[f"exec-{name}"]["container"]
        assert container["image"] == image_of(step, registry="localhost:5001")
        assert {"name": "TABPIPE_USE_CASE", "value": "iris.score"} in container["env"]
    assert set(platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]) == set(executors)


@pytest.mark.parametrize("option", [["--steps", "predict"], ["--from", "predict"], ["--at", "v1"]], ids=lambda o: o[0])
def test_a_part_of_the_pipeline_or_another_code_is_refused(option, capsys):
    assert main(["run", "iris", "--pipeline", "score", *option]) == 2
    assert option[0] in capsys.readouterr().err


@pytest.fixture(autouse=True)
def _signals():
    """The command line's handlers of signals are its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.run
def test_a_run_scores_a_table_and_is_cached_until_the_champion_moves(finished, tmp_path):
    env = {"TABPIPE_HOME": str(tmp_path / "home"), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*arguments):
        done = command_line("run", "iris", "--json", *arguments, env=env, timeout=200)
        assert done.returncode == 0, done.stderr
        document = json.loads(done.stdout)
        return document, {one["name"]: one["cached"] for one in document["steps"]}

    def score(*arguments):
        return run("--pipeline", "score", "--source", str(tmp_path / "in.csv"), *arguments)

    sizes = pd.DataFrame({"id": ["007", "008"], **dict.fromkeys(load("iris").columns, 1.5)}).drop(columns="species")
    sizes.to_csv(tmp_path / "in.csv", index=False)
    finished(tmp_path / "home")
    first, cached = score()
    assert cached == {"download": False, "predict": False} and first["model"] == "iris.model:v0"
    assert pd.read_parquet(first["predictions"])["id"].tolist() == ["007", "008"] and first["rejects"] is None
    assert os.path.isfile(first["reports"]["predict"])
    assert score()[1] == {"download": True, "predict": True}
    run("train.C=3")
    _, again = run()  # scoring has left the training pipeline's own outputs as they were
    assert again["download"] and again["preprocess"]
    done = command_line("models", "promote", "iris", "v1", env=env, timeout=100)
    assert done.returncode == 0, done.stderr
    second, cached = score()
    assert cached == {"download": True, "predict": False} and second["model"] == "iris.model:v1"
    assert set(pd.read_parquet(second["predictions"])["model_version"]) == {"v1"}
    store = open_store(tmp_path / "home" / "artifacts")
    table = store.resolve("iris.score.predictions:latest")
    assert version_of(store, "iris", "v1").digest in {one.digest for one in table.inputs}
