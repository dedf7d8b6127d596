"""Earlier runs of a real cluster: shown as `submit` told of them, compared, made again, brought to a folder.

The images are expected where the cluster finds them, as in test_cluster_runs.py.
"""

import json
import time
from types import SimpleNamespace

import pytest

from components.common.base.errors import Refusal
from tabpipe.runs.run_sources import holds
from tests.conftest import command_line

C = 1 + time.time() % 1e6 / 1e7
"""A value that no run before had, so that train and evaluate run."""
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def runs():
    from tabpipe.cluster.client import connect
    from tabpipe.cluster.remote_runs import Runs

    try:
        return Runs(connect())
    except Refusal as refusal:
        pytest.skip(f"no Kubeflow Pipelines to run on: {str(refusal).splitlines()[0]}")


def call(*arguments):
    """A command's exit code, its JSON document if it printed one, and what it said."""
    done = command_line(*arguments, timeout=1500)
    document = json.loads(done.stdout) if "--json" in arguments and done.stdout.strip() else None
    return SimpleNamespace(code=done.returncode, document=document, said=done.stdout + done.stderr)


@pytest.fixture(scope="module")
def submitted(runs):
    done = call("submit", "iris", "--json", f"train.C={C:.12f}")
    assert done.code == 0, done.said
    return done.document


@pytest.fixture(scope="module")
def cached(submitted):
    """The same again, of which the cache serves all but resolve."""
    done = call("submit", "iris", "--json", f"train.C={C:.12f}")
    assert done.code == 0, done.said
    assert {step["name"] for step in done.document["steps"] if not step["cached"]} <= {"resolve", "promote"}
    return done.document


def test_a_run_is_shown_as_submit_told_of_it(submitted):
    shown = call("runs", "show", submitted["run_id"], "--cluster", "--json").document
    assert (shown["state"], shown["metrics"], shown["source"]) == ("succeeded", submitted["metrics"], "sample://iris")
    assert shown["code"]["version"] == submitted["version"]
    assert shown["config"]["train"]["C"] == round(C, 12)
    assert {step["name"]: step["cached"] for step in shown["steps"]} == {
        step["name"]: step["cached"] for step in submitted["steps"]
    }
    assert {"table", "clean", "accepted", "train", "validation", "test", "model"} <= {
        name for made in shown["outputs"].values() for name in made
    }


def test_runs_are_listed_and_found_by_their_use_case(submitted):
    listed = call("runs", "list", "iris", "--cluster", "--json").document
    assert submitted["run_id"] in [run["run_id"] for run in listed]
    assert {run["use_case"] for run in listed} == {"iris"}
    assert listed == sorted(listed, key=lambda run: run["started"], reverse=True)


def test_a_run_that_the_cache_served_has_the_outputs_and_metrics_of_the_first(submitted, cached):
    found = call("runs", "diff", submitted["run_id"], cached["run_id"], "--cluster", "--json").document
    assert found["parameters"] == []
    assert found["metrics"] and all(row["equal"] for row in found["metrics"])
    assert len(found["data"]) >= 9 and all(row["equal"] for row in found["data"])


def test_a_run_made_again_runs_every_step_and_gives_the_same(cached, runs):
    done = call("reproduce", cached["run_id"], "--cluster", "--json")
    assert done.code == 0, done.said
    assert done.document["equal"] and len(done.document["outputs"]) >= 7 and len(done.document["metrics"]) >= 6
    again = runs.one(done.document["rerun"])
    assert again.run_id != cached["run_id"]
    assert [step["name"] for step in again.summary["steps"] if step["cached"]] == []


def test_a_run_s_tables_model_and_reports_are_brought(cached, tmp_path):
    shown = call("runs", "show", cached["run_id"], "--cluster", "--json").document
    brought = call("checkout", cached["run_id"], str(tmp_path / "iris"), "--cluster", "--json").document
    assert brought["unknown"] == []
    for step, made in shown["outputs"].items():
        for name, entry in made.items():
            if "rows" in entry:
                assert brought["files"][f"data/{step}_{name}.parquet"] == entry["digest"]
    assert holds(tmp_path / "iris" / "model", shown["outputs"]["train"]["model"]["digest"])
    assert {"reports/train.html", "reports/evaluate.html", "reports/check_data.html"} <= set(brought["files"])


def test_a_name_of_no_run_is_refused(runs):
    done = call("runs", "show", "no-such-run", "--cluster")
    assert done.code == 2 and "no run has this name" in done.said


def test_a_method_that_the_metadata_store_does_not_know_is_refused_in_its_words(runs, monkeypatch):
    from tabpipe.cluster import metadata

    message = metadata._message
    monkeypatch.setattr(metadata, "_message", lambda name: message(name.replace("NoSuchMethod", "GetArtifactsByID")))
    with pytest.raises(Refusal, match="metadata store"):
        metadata._ask(runs.cluster, "NoSuchMethod")
