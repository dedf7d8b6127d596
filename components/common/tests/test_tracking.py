"""A step's record reaches its run in MLflow: the one named, the one that Kubeflow's plugin made, or a new one."""

from types import SimpleNamespace

import pytest

from components.common.tracking import mlflow_log
from components.common.tracking.record import KFP_RUN, SPOOL, Record


@pytest.fixture
def mlflow(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", KFP_RUN, SPOOL):
        monkeypatch.delenv(name, raising=False)
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def record():
    made = Record("check_data", started=1000.0, ended=1001.0, status="FINISHED")
    made.metrics({"rows": 7})
    return made


def test_on_a_cluster_the_record_goes_to_the_run_that_kubeflow_s_plugin_made(mlflow, record, monkeypatch):
    experiment = mlflow.create_experiment("iris")
    parent = mlflow.create_run(experiment, tags={"kfp.pipeline_run_id": "a-b-c"}).info.run_id
    child = mlflow.create_run(experiment, run_name="check-data", tags={"mlflow.parentRunId": parent}).info.run_id
    mlflow.create_run(experiment, run_name="train", tags={"mlflow.parentRunId": parent})
    monkeypatch.setenv(KFP_RUN, "a-b-c")
    assert mlflow_log.write(record) == child
    run = mlflow.get_run(child)
    assert run.data.metrics == {"rows": 7} and run.info.status == "RUNNING"  # the plugin ends what it began


def test_a_step_that_began_while_mlflow_was_away_gets_a_run_of_its_own(mlflow, record, monkeypatch):
    parent = mlflow.create_run("0", tags={"kfp.pipeline_run_id": "a-b-c"}).info.run_id
    monkeypatch.setenv(KFP_RUN, "a-b-c")
    run = mlflow.get_run(mlflow_log.write(record))
    assert run.data.tags["mlflow.parentRunId"] == parent and run.data.metrics == {"rows": 7}
    assert run.info.status == "FINISHED" and run.info.run_name == "check-data"


def test_a_run_that_mlflow_knows_nothing_of_is_not_tracked_and_the_log_says_so(mlflow, record, monkeypatch, capsys):
    monkeypatch.setenv(KFP_RUN, "nobody")
    mlflow_log.keep(record)
    assert "check_data could not be written to MLflow" in capsys.readouterr().out


def test_a_run_named_by_the_environment_comes_first(mlflow, record, monkeypatch):
    named = mlflow.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", named)
    monkeypatch.setenv(KFP_RUN, "a-b-c")
    assert mlflow_log.write(record) == named


def test_a_mapping_of_very_many_keys_is_one_parameter():
    record = Record("check_data")
    rules = {f"f{at}": {"range": [0, 1], "source": "http://me:word@host/x"} for at in range(2000)}
    record.params({"columns": rules, "rows": {"min": 1}})
    assert record.parameters.keys() == {"columns", "rows.min"}
    assert record.parameters["columns"].startswith('2,000 entries: {"f0": {"range": [0, 1]')
    assert "word" not in record.parameters["columns"]


def test_a_registry_that_cannot_follow_fails_the_step_with_a_word(monkeypatch, capfd, tmp_path):
    from components.common.tracking.step import step

    for name, value in {"URI": "http://127.0.0.1:9", "USERNAME": "", "PASSWORD": ""}.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("TABPIPE_ARTIFACTS", raising=False)
    model = SimpleNamespace(path=str(tmp_path), uri=str(tmp_path), metadata={"digest": "d"})
    with pytest.raises(SystemExit), step("promote", "{}") as (_, record):
        record.registers("iris", model, {}, settles=True)
    said = capfd.readouterr().out
    assert "tabpipe-refused" in said and "on record in the artifact store" in said and "models sync" in said
