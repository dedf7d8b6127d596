"""Tracking by MLflow, found from MLflow's own environment variables and never from arguments.

A step notes what it does in a `Record`. When it ends, the record is written on the server that MLFLOW_TRACKING_URI
names: to the run that MLFLOW_RUN_ID names, or, on a cluster, to the one that Kubeflow's MLflow plugin made of the step;
it is found by the id of Kubeflow's run, TABPIPE_KFP_RUN_ID. (The plugin could set MLFLOW_RUN_ID itself; but then no
step can start while MLflow is away.) Where TABPIPE_TRACKING_SPOOL names a file instead, the record is left there for an
engine that writes it beside the next steps: loading MLflow costs more than most steps.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from typing import Any

from components.common.base.errors import Refusal
from components.common.tracking.record import KFP_RUN, SPOOL, Record


def keep(record: Record) -> None:
    """Writes a record to where the environment says: a spool file, MLflow, or nowhere.

    A tracking server that does not answer never fails a step: the record is dropped with a line in the log.
    """
    if spool := os.environ.get(SPOOL):
        from components.common.base.files import written_whole

        with written_whole(spool) as beside:
            beside.write_text(json.dumps(asdict(record)))
    elif os.environ.get("MLFLOW_TRACKING_URI"):
        try:
            write(record)
        except Exception as error:
            if record.settles and record.status == "FINISHED":
                raise Refusal(
                    f"MLflow's registry could not follow: {error}",
                    where=record.name,
                    rule="what was decided is on record in the artifact store, and holds",
                    mend="run the step again, or: tabpipe models sync",
                ) from error
            print(f"tracking: {record.name} could not be written to MLflow: {error}", flush=True)


def write(record: Record) -> str:
    """Writes a record to MLflow: into the run MLFLOW_RUN_ID, that of the step of TABPIPE_KFP_RUN_ID, or a new one.

    Returns:
        The id of the run. A run that this call created is ended by it.

    Raises:
        LookupError: MLflow knows nothing of Kubeflow's run.
    """
    from mlflow import MlflowClient

    client = MlflowClient()
    run_id = os.environ.get("MLFLOW_RUN_ID") or _run_of_step(client, record)
    created = not run_id
    if not run_id:
        experiment = os.environ.get("MLFLOW_EXPERIMENT_ID", "0")
        run = client.create_run(experiment, start_time=int(record.started * 1000), run_name=record.name)
        run_id = run.info.run_id
    log(client, run_id, record)
    if record.candidate and record.status == "FINISHED":
        _register(client, run_id, record)
    if created:
        client.set_terminated(run_id, record.status, end_time=int(record.ended * 1000))
    return run_id


def _register(client: Any, run_id: str, record: Record) -> None:
    """Registers a step's model, and lets the registry's aliases follow the store's."""
    from components.common.registry.mlflow_sync import mirror, register

    candidate = record.candidate
    logged = any(name == "model" for _, _, name in record.files)
    register(
        client,
        candidate["use_case"],
        candidate["digest"],
        run_id=run_id,
        path="" if logged else candidate["path"],
        tags=candidate["tags"],
    )
    if record.settles:
        from components.common.artifacts import open_store

        for words in mirror(client, open_store(), candidate["use_case"]):
            print(f"registry: {words}", flush=True)


def _run_of_step(client: Any, record: Record) -> str | None:
    """The MLflow run that Kubeflow's plugin made of this step, below that of the pipeline's run."""
    kfp_run = os.environ.get(KFP_RUN)
    if not kfp_run:
        return None
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    parents = client.search_runs(experiments, f"tags.`kfp.pipeline_run_id` = '{kfp_run}'", max_results=1)
    if not parents:
        raise LookupError(f"it has no run of Kubeflow's run {kfp_run}")
    parent, name = parents[0].info, record.name.replace("_", "-")
    steps = client.search_runs(
        [parent.experiment_id],
        f"tags.mlflow.parentRunId = '{parent.run_id}' and attributes.run_name = '{name}'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    if steps:
        return steps[0].info.run_id
    # MLflow was away when the step began, and is back.
    tags = {"mlflow.parentRunId": parent.run_id}
    run = client.create_run(parent.experiment_id, int(record.started * 1000), tags, name)
    client.set_terminated(run.info.run_id, record.status, end_time=int(record.ended * 1000))
    return run.info.run_id


def log(client: Any, run_id: str, record: Record) -> None:
    """Writes a record's parameters, metrics, tags, inputs and files into an existing run."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    now = int((record.ended or time.time()) * 1000)
    metrics = [Metric(key, value, now, 0) for key, value in record.scores.items()]
    params = [Param(key, value[:6000]) for key, value in record.parameters.items()]
    tags = [RunTag(key, value[:5000]) for key, value in record.tags.items()]
    for first in range(0, max(len(params), 1), 100):
        client.log_batch(run_id, metrics if first == 0 else (), params[first : first + 100], tags if first == 0 else ())
    if record.inputs:
        client.log_inputs(
            run_id,
            [
                DatasetInput(
                    Dataset(
                        name=item["name"],
                        digest=item["digest"] or "unknown",
                        source_type="uri",
                        source=json.dumps({"uri": item["uri"]}),
                        profile=json.dumps({"num_rows": item["rows"]}),
                    ),
                    [InputTag("mlflow.data.context", record.name)],
                )
                for item in record.inputs
            ],
        )
    for path, folder, name in record.files:
        _log_file(client, run_id, path, folder, name)


def _log_file(client: Any, run_id: str, path: str, folder: str, name: str) -> None:
    """Logs a file or a folder, under `name`."""
    if os.path.isdir(path):
        client.log_artifacts(run_id, path, "/".join(part for part in (folder, name) if part))
    elif os.path.basename(path) == name:
        client.log_artifact(run_id, path, folder or None)
    else:
        import shutil
        import tempfile

        with tempfile.TemporaryDirectory() as scratch:
            copy = os.path.join(scratch, name)
            shutil.copyfile(path, copy)
            client.log_artifact(run_id, copy, folder or None)
