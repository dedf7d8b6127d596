"""What the tracker writes to MLflow, and that it is written once."""

import json
import time

import pytest

from tabpipe.runs import train_run
from tabpipe.tracking import spool, tracker
from tests.conftest import forks, tracked

NOW = 1_790_000_000.0


@pytest.fixture
def ended_run(tmp_path, monkeypatch):
    """A run in the spool that is over: one step ran, one was cached. Returns its folder."""
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "home"))
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.setenv(variable, "")  # so that what the tracker sets is undone
    monkeypatch.setenv("TABPIPE_ARTIFACTS", str(tmp_path / "artifacts"))
    spool.begin("20260101-000000-abcd", "fruit", NOW)
    folder = spool.spool("20260101-000000-abcd")
    record = {"name": "train", "started": NOW + 2, "ended": NOW + 3, "status": "FINISHED", "scores": {"auc": 0.5}}
    (folder / "train.json").write_text(json.dumps(record))
    (tmp_path / "summary.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    summary = {"run_id": folder.name, "state": "succeeded", "checksum": "", "source": "fruit.csv", "error": ""}
    steps = [
        {"name": "download", "key": "d", "state": "succeeded", "cached": True, "started": NOW + 1},
        {"name": "train", "key": "t", "state": "succeeded", "cached": False, "started": NOW + 2},
    ]
    spool.end({**summary, "metrics": {"test": {"auc": 0.5}}}, {"train": {}}, steps, tmp_path)
    return folder


@pytest.mark.parametrize(
    ("call", "after"),
    [
        pytest.param("create_run", 1, id="whole-run-created"),
        pytest.param("create_run", 2, id="step-created"),
        pytest.param("create_run", 3, id="cached-step-created"),
        pytest.param("log_batch", 1, id="step-logged"),
        pytest.param("log_batch", 2, id="whole-run-logged"),
        pytest.param("set_terminated", 1, id="step-ended"),
        pytest.param("set_terminated", 2, id="cached-step-ended"),
        pytest.param("set_terminated", 3, id="whole-run-ended"),
    ],
)
def test_a_tracker_that_is_stopped_in_the_midst_leaves_nothing_doubled_or_open(
    ended_run, tmp_path, monkeypatch, call, after
):
    from mlflow import MlflowClient

    calls, whole = [], getattr(MlflowClient, call)

    def stopped(*arguments, **options):
        result = whole(*arguments, **options)
        calls.append(call)
        if len(calls) == after:
            raise KeyboardInterrupt
        return result

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, call, stopped)
        with pytest.raises(KeyboardInterrupt):
            tracker.follow(ended_run)
        tracker.follow(ended_run)
    assert not ended_run.exists()
    runs = tracked(tmp_path / "home")
    found = {train_run.info.run_name: train_run for train_run in runs}
    assert set(found) == {ended_run.name, "download", "train"} and len(runs) == 3
    assert {train_run.info.status for train_run in found.values()} == {"FINISHED"}
    assert found["train"].data.metrics == {"auc": 0.5} and found[ended_run.name].data.metrics == {"test_auc": 0.5}
    assert found["train"].data.tags["tabpipe.key"] == "t"
    assert found["download"].data.tags["tabpipe.cached"] == "true"


def test_a_run_whose_process_is_gone_without_a_word_is_written_as_killed(ended_run, tmp_path):
    (ended_run / "close.json").unlink()
    opened = json.loads((ended_run / "open.json").read_text())
    (ended_run / "open.json").write_text(json.dumps({**opened, "pid": 2**22 + 1, "started": time.time()}))
    assert tracker.flush() == 1
    assert {train_run.info.run_name: train_run.info.status for train_run in tracked(tmp_path / "home")} == {
        ended_run.name: "KILLED",
        "train": "FINISHED",
    }


@pytest.mark.run
@forks
def test_a_run_that_has_waited_long_enough_leaves_the_rest_to_another_process(
    fruit_case, tmp_path, monkeypatch, capsys
):
    home = tmp_path / "home"
    monkeypatch.setenv("TABPIPE_HOME", str(home))
    monkeypatch.setattr(train_run, "TRACKING_PATIENCE", 0.0)
    assert train_run.run(train_run.Options(str(fruit_case()))) == 0
    assert "still being written, in the background" in capsys.readouterr().out
    runs = tracked(home)
    states = [
        (train_run.info.run_name, train_run.info.status)
        for train_run in runs
        if "mlflow.parentRunId" in train_run.data.tags
    ]
    assert len(states) == len(dict(states)) == 7 and set(dict(states).values()) == {"FINISHED"}
    assert [train_run.info.status for train_run in runs if "mlflow.parentRunId" not in train_run.data.tags] == [
        "FINISHED"
    ]
