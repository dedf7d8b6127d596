"""A use case's pipeline put on the cluster, and a run of it started."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tabpipe.cluster.client import NAMESPACE, REGISTRY_HOSTING, Cluster, advertised_registry, answered
from tabpipe.compile.pipeline_yaml import compile_score, compile_training, pipeline_name, score_name
from tabpipe.config import UseCase


@dataclass(frozen=True)
class Uploaded:
    """A use case's pipeline as the cluster has it."""

    use_case: str
    pipeline_id: str
    version_id: str
    version: str
    """The first 16 hex digits of the digest of the compiled pipeline."""
    experiment_id: str
    new: bool
    """Whether this call made the version."""


def upload(
    cluster: Cluster, use_case: UseCase, name: str, registry: str, folder: Path, pipeline: str = "train"
) -> Uploaded:
    """Compiles a use case and uploads it, unless the cluster has that very pipeline already.

    Args:
        cluster: Where to.
        use_case: The config, overrides included.
        name: What the use case is called.
        registry: What stands before the images' names.
        folder: Where the compiled file is written, as NAME.yaml.
        pipeline: train or score.
    """
    write, compiled = (compile_score, score_name(name)) if pipeline == "score" else (compile_training, name)
    called, file = pipeline_name(compiled), folder / f"{compiled}.yaml"
    write(use_case, name, file, registry)
    name = compiled
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    with answered(cluster.context), _quiet():
        pipeline_id = cluster.kfp.get_pipeline_id(called) or _new_pipeline(cluster, called, use_case.description)
        found = _version(cluster, pipeline_id, version)
        made = found or cluster.kfp.upload_pipeline_version(str(file), version, pipeline_id=pipeline_id)
        experiment = cluster.kfp.create_experiment(called, namespace=NAMESPACE)
    return Uploaded(name, pipeline_id, made.pipeline_version_id, version, experiment.experiment_id, found is None)


def _new_pipeline(cluster: Cluster, called: str, description: str) -> str:
    """Makes a pipeline without a version; the client's own upload makes one and names it after the pipeline."""
    import kfp_server_api as api

    pipeline = api.V2beta1Pipeline(name=called, display_name=called, description=description, namespace=NAMESPACE)
    return cluster.kfp._pipelines_api.pipeline_service_create_pipeline(pipeline=pipeline).pipeline_id


def _version(cluster: Cluster, pipeline_id: str, version: str) -> Any:
    token = ""
    while True:
        page = cluster.kfp.list_pipeline_versions(pipeline_id, page_token=token, page_size=20)
        for one in page.pipeline_versions or []:
            if one.display_name == version:
                return one
        token = page.next_page_token
        if not token:
            return None


def start(cluster: Cluster, uploaded: Uploaded, parameters: dict[str, str]) -> str:
    """Starts a run.

    Args:
        cluster: Where.
        uploaded: What to run.
        parameters: Values instead of the compiled defaults.

    Returns:
        The run's id.
    """
    import kfp_server_api as api

    run = api.V2beta1Run(
        display_name=f"{uploaded.use_case} {time.strftime('%Y-%m-%d %H:%M:%S')}",
        experiment_id=uploaded.experiment_id,
        pipeline_version_reference=api.V2beta1PipelineVersionReference(
            pipeline_id=uploaded.pipeline_id, pipeline_version_id=uploaded.version_id
        ),
        runtime_config=api.V2beta1RuntimeConfig(parameters=parameters),
        plugins_input=tracked_as(uploaded.use_case),
    )
    with answered(cluster.context):
        return cluster.kfp._run_api.run_service_create_run(run=run).run_id


def tracked_as(use_case: str) -> dict[str, Any]:
    """What tells Kubeflow's MLflow plugin the name of the experiment: the use case's, as on this machine."""
    return {"mlflow": {"experiment_name": use_case}}


def own_registry(cluster: Cluster) -> str:
    """The registry that the cluster advertises as its local one; else none."""
    from kubernetes.client import ApiException

    try:
        return advertised_registry(cluster.core.read_namespaced_config_map(*REGISTRY_HOSTING).data)
    except ApiException:
        return ""


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps kfp's client from printing links, which would lead to the Kubernetes API."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield
