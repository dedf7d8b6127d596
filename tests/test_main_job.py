"""The main job as a user runs it: results, caching, selecting steps, history."""

import hashlib
import http.server
import os
import shutil
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests import forked
from tests.conftest import ROOT, all_tracked, fruit, real_table

pytestmark = pytest.mark.run

ALL = {"download", "preprocess", "check_data", "segregate", "train", "evaluate", "promote"}


def digests(home, *names):
    """The digest of each table of these names that a fresh home holds."""
    return {
        name: [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((home / "kfp").glob(f"*/*/{name}"))]
        for name in names
    }


def test_music_genres_reaches_its_auc_on_the_real_table(finished, tmp_path):
    result = finished(tmp_path, "music_genres", "--source", real_table("genres_mod.parquet"))
    assert result.ran == ALL and "generated" not in result.err
    assert result.document["metrics"]["test"]["auc_macro_ovo"] >= 0.952


def test_music_genres_reruns_only_what_changed(tabpipe):
    first = tabpipe("music_genres")
    assert first.code == 0, first.err
    assert first.ran == ALL and "generated" in first.err
    assert first.document["metrics"]["test"]["auc_macro_ovo"] >= 0.9
    again = tabpipe("music_genres")
    assert again.code == 0 and again.ran == set()
    assert again.document["metrics"] == first.document["metrics"]
    pages = [Path(run.document["reports"]["train"]).read_text() for run in (first, again)]
    assert f"<dd>{first.document['run_id']}</dd>" in pages[0] and "sample://music_genres" in pages[0]
    assert f"<dd>{again.document['run_id']}, which took this page from an earlier one</dd>" in pages[1]
    more = tabpipe("music_genres", "train.n_estimators=30")
    assert more.ran == {"train", "evaluate", "promote"}
    assert more.document["metrics"]["test"] != first.document["metrics"]["test"]


def test_nyc_rentals_reaches_its_r2_and_mae(finished, tmp_path):
    result = finished(tmp_path, "nyc_rentals", "--source", real_table("nyc_airbnb_sample1.csv"))
    assert result.code == 0, result.err
    assert result.document["metrics"]["test"]["r2"] >= 0.565
    assert result.document["metrics"]["test"]["mae"] <= 33.8


@pytest.mark.parametrize("name", ["iris", "nyc_rentals"])
def test_a_use_case_runs_without_a_source(finished, tmp_path, name):
    result = finished(tmp_path, name)
    assert result.code == 0, result.err
    assert ("tsne" in result.ran) == (name == "iris")
    for step in ("check_data", "train", "evaluate", "promote", *(["tsne"] if name == "iris" else [])):
        assert Path(result.document["reports"][step]).read_text().lower().startswith("<!doctype html>")


@pytest.mark.parametrize(("name", "target"), [("wine", "wine"), ("diabetes", "progression")])
def test_a_table_that_no_config_knows_runs_with_a_drafted_yaml(tabpipe, tmp_path, name, target):
    from sklearn.datasets import load_diabetes, load_wine

    bunch = load_wine(as_frame=True) if name == "wine" else load_diabetes(as_frame=True, scaled=False)
    frame = bunch.frame.rename(columns={"target": target})
    frame.to_csv(tmp_path / f"{name}.csv", index=False)
    command = [sys.executable, "-m", "tabpipe", "init", str(tmp_path / f"{name}.csv"), "--target", target]
    drafted = forked.run(command, cwd=ROOT).stdout
    (tmp_path / f"{name}.yaml").write_text(drafted)
    result = tabpipe(tmp_path / f"{name}.yaml")
    assert result.code == 0, result.err
    scores = result.document["metrics"]["test"]
    assert scores.get("accuracy", 1) > 0.9 and scores.get("r2", 1) > 0.3


def test_two_fresh_runs_give_the_same_bytes_and_metrics_however_steps_are_started(tabpipe, fruit_case, tmp_path):
    case = fruit_case()
    runs = [tabpipe(case, home=tmp_path / mode, env={"TABPIPE_WARM": mode}) for mode in "10"]
    assert [run.code for run in runs] == [0, 0], runs[0].err + runs[1].err
    assert runs[0].document["metrics"] == runs[1].document["metrics"]
    names = ("table", "clean", "accepted", "train", "validation", "test")
    assert digests(tmp_path / "1", *names) == digests(tmp_path / "0", *names)
    assert all(len(found) == 1 for found in digests(tmp_path / "1", *names).values())


def test_a_touched_step_runs_again_and_those_after_it_only_if_its_outputs_are_others(tabpipe, fruit_run, tmp_path):
    project = tmp_path / "project"
    ignored = shutil.ignore_patterns(".git", ".venv", "output", "__pycache__", ".pytest_cache", ".hypothesis")
    shutil.copytree(ROOT, project, ignore=ignored)
    case = fruit_run.case
    assert tabpipe(case, root=project).ran == {"promote"}, "which has another store of champions before it"
    with (project / "components" / "check_data" / "README.md").open("a") as file:
        file.write("\nmore words\n")
    assert tabpipe(case, root=project).ran == set(), "a README is not part of the image"
    with (project / "components" / "check_data" / "check_data.py").open("a") as file:
        file.write("\n# touched\n")
    assert tabpipe(case, root=project).ran == {"check_data", "promote"}, "which was not asked with this champion yet"
    logic = project / "components" / "segregate" / "segregate.py"
    logic.write_text(logic.read_text().replace("wanted.seed", "wanted.seed + 1"))
    assert tabpipe(case, root=project).ran == {"segregate", "train", "evaluate", "promote"}
    with (project / "components" / "common" / "base" / "errors.py").open("a") as file:
        file.write("\n# touched\n")
    assert tabpipe(case, root=project).ran == ALL


def test_selected_steps_take_what_they_need_from_the_last_run(tabpipe, fruit_run, tmp_path):
    case = fruit_run.case
    early = tabpipe(case, "--steps", "train", home=tmp_path / "empty")
    assert early.code == 1 and "no outputs from an earlier run" in early.document["error"]
    some = tabpipe(case, "--steps", "preprocess,check_data", "preprocess.drop_duplicates=true")
    assert some.code == 0 and some.ran == {"preprocess"}, "it has made the same table, which is accepted already"
    assert (some.states["check_data"], some.states["train"]) == ("succeeded", "skipped")
    late = tabpipe(case, "--from", "train", "segregate.seed=7", "train.seed=7")
    assert late.ran == {"train", "evaluate", "promote"}, (
        "the splits are those of the last run, whatever the seed says now"
    )
    forced = tabpipe(case, "--from", "train", "--force", "train.seed=7")
    assert forced.ran == {"train", "evaluate", "promote"}
    assert tabpipe(case, "--force").ran == ALL


@pytest.fixture
def site(tmp_path):
    """A folder served on loopback, and the requests that came."""
    requests = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def send_response(self, code, message=None):
            requests.append((self.command, code))
            super().send_response(code, message)

        def log_message(self, *_):
            pass

    folder = tmp_path / "site"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    server.server_close()


def test_a_url_is_downloaded_once_until_it_changes(tabpipe, fruit_case, site):
    folder, url, requests = site
    fruit().to_csv(folder / "fruit.csv", index=False)
    case, source = fruit_case(), f"{url}/fruit.csv"
    assert tabpipe(case, "--source", source).ran == ALL
    assert requests.count(("GET", 200)) == 1, "one download, not one to look and one to have"
    assert tabpipe(case, "--source", source).ran == set()
    os.utime(folder / "fruit.csv", (time.time() + 60,) * 2)
    assert tabpipe(case, "--source", source).ran == set(), "a new date on the same bytes is no change"
    downloads = requests.count(("GET", 200))
    assert tabpipe(case, "--source", source).ran == set()
    assert requests.count(("GET", 200)) == downloads
    fruit(130, seed=1).to_csv(folder / "fruit.csv", index=False)
    os.utime(folder / "fruit.csv", (time.time() + 120,) * 2)
    assert tabpipe(case, "--source", source).ran == ALL


def test_new_data_are_compared_with_the_previous_accepted_ones(tabpipe, fruit_case, fruit_run):
    first = fruit_run
    assert "no reference" in Path(first.document["reports"]["check_data"]).read_text()
    second = tabpipe(fruit_case(lambda t: fruit(200, seed=3).assign(weight=lambda d: d.weight * 1.4)))
    assert second.code == 0, second.err
    page = Path(second.document["reports"]["check_data"]).read_text()
    assert "Kolmogorov" in page and "no reference" not in page
    assert "warning" in second.err
    again = tabpipe(fruit_case(lambda t: fruit(200, seed=3).assign(weight=lambda d: d.weight * 1.4)))
    assert again.ran == set(), "the same data keep the reference that they were compared with"
    strict = fruit_case(
        lambda t: fruit(200, seed=4).assign(weight=lambda d: d.weight * 2),
        {"check_data": {"drift": {"severity": "error"}}},
    )
    stopped = tabpipe(strict)
    assert stopped.code == 1 and "'weight'" in stopped.document["error"] and stopped.states["segregate"] == "skipped"


def test_the_document_for_machines_has_what_it_promises(fruit_run):
    document = fruit_run.document
    assert {step["name"] for step in document["steps"]} == ALL
    for step in document["steps"]:
        assert set(step) == {"name", "state", "seconds", "cached"}
    for split in ("validation", "test"):
        scores = {"auc_macro_ovo", "f1_macro", "accuracy", "log_loss"}
        assert set(document["metrics"][split]) == {*scores, *(f"baseline_{name}" for name in scores)}
        assert document["metrics"][split]["baseline_auc_macro_ovo"] == 0.5
    assert Path(document["model"], "MLmodel").is_file()
    assert document["run_id"] and document["state"] == "succeeded"


def test_mlflow_has_a_parent_run_and_a_child_run_per_step(tabpipe, fruit_run, tmp_path):
    case = fruit_run.case
    tabpipe(case, "train.n_estimators=6")
    tabpipe(case, "train.n_estimators=6")
    home = tmp_path / "home"
    all_tracked(home)
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    runs = client.search_runs(
        [client.get_experiment_by_name("fruit").experiment_id], order_by=["attributes.start_time"]
    )
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert [run.info.status for run in parents] == ["FINISHED"] * 3
    children = [
        {
            run.data.tags["tabpipe.step"]: run
            for run in runs
            if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id
        }
        for parent in parents
    ]
    assert [set(steps) for steps in children] == [ALL] * 3
    assert [sum("tabpipe.cached" in run.data.tags for run in steps.values()) for steps in children] == [0, 4, 7]
    assert children[2]["train"].data.tags["tabpipe.made_by"] == children[1]["train"].info.run_id
    train = children[1]["train"]
    assert train.data.params["n_estimators"] == "6"
    assert {item.dataset.name for item in train.inputs.dataset_inputs} == {"train_table", "validation_table"}
    made = children[0]["segregate"].data.tags["output.train.digest"]
    assert train.inputs.dataset_inputs[0].dataset.digest == made[:36]
    assert {"model", "reports"} <= {item.path for item in client.list_artifacts(train.info.run_id)}
    assert parents[1].data.metrics["test_accuracy"] == children[1]["evaluate"].data.metrics["test_accuracy"]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    assert train.data.tags.get("mlflow.source.git.commit", "") == commit


def test_a_damaged_history_is_no_obstacle(tabpipe, fruit_run, tmp_path):
    for name in ("last.json", "accepted.json"):
        (tmp_path / "home" / "fruit" / name).write_text("{")
    assert tabpipe(fruit_run.case).code == 0


def test_the_model_takes_raw_rows_as_pandas_reads_them(tabpipe, fruit_case, tmp_path):
    """Whole numbers, booleans and dates as they are, without a cast; and it answers as it was evaluated."""
    import mlflow
    import pandas as pd

    def raw(table):
        return table.assign(weight=table.weight.round().astype(int), ripe=table.weight > 100)

    columns = {"weight": "numerical", "size": "categorical", "ripe": "categorical", "picked": "date", "note": "text"}
    case = fruit_case(raw, {"columns": columns | {"label": "categorical"}, "check_data": {}})
    result = tabpipe(case)
    assert result.code == 0, result.err
    model = mlflow.pyfunc.load_model(result.document["model"])
    frame = pd.read_csv(tmp_path / "fruit.csv")
    assert (model.predict(frame) == frame.label).mean() > 0.9
    [test] = (tmp_path / "home" / "kfp").glob("*/segregate/test")
    rows = pd.read_parquet(test)
    assert (model.predict(rows) == rows.label).mean() == result.document["metrics"]["test"]["accuracy"]
    assert model.predict(frame.assign(picked=pd.to_datetime(frame.picked))).tolist() == model.predict(frame).tolist()
