"""What the section `cluster` of a config asks for, put into a compiled pipeline."""

from __future__ import annotations

from typing import Any

from components.common.artifacts.opening import VARIABLE as ARTIFACTS
from components.common.base.errors import Refusal, nearest
from components.common.config.cluster import Cluster, Resources, SecretKey, StepSettings
from components.common.tracking.publish import IMAGE, USE_CASE
from components.common.tracking.record import KFP_RUN
from tabpipe.steps import by_task

STORE = "mlpipeline-minio-artifact"
"""The Secret of the object store's keys, as Kubeflow names it."""

BACKOFF_FACTOR = 2
_MINIO, _BUCKET = "http://minio.kubeflow:9000", "s3://tabpipe"
_KEYS = {
    "ACCESS_KEY_ID": SecretKey(secret=STORE, key="accesskey"),
    "SECRET_ACCESS_KEY": SecretKey(secret=STORE, key="secretkey"),
}

_RESOURCES = {
    "cpu_request": "resourceCpuRequest",
    "cpu_limit": "resourceCpuLimit",
    "memory_request": "resourceMemoryRequest",
    "memory_limit": "resourceMemoryLimit",
}


def provide(spec: Any, cluster: Cluster, use_case: str, own_store: bool = False) -> dict[str, Any]:
    """Puts resources, variables and retries into a PipelineSpec.

    Args:
        spec: The message; changed in place.
        cluster: The settings.
        use_case: Its name, which those of artifacts begin with.
        own_store: Whether the steps that read addresses get the keys of the cluster's own MinIO.

    Returns:
        What Kubeflow keeps apart from the pipeline, as its Kubernetes part: timeouts, users, secrets, nodes.

    Raises:
        Refusal: Settings for a step that does not exist.
    """
    executors = spec.deployment_spec["executors"]
    steps = {label.removeprefix("exec-").replace("-", "_"): label for label in executors}
    known = {*steps, *by_task()}  # settings may be for steps of another pipeline
    for name in cluster.steps:
        if name not in known:
            raise Refusal(f"there is no step {name!r}", where="cluster.steps", mend=nearest(name, known))
    artifacts, artifact_keys = _artifacts(cluster, use_case)
    configs = {}
    for name, label in steps.items():
        own = cluster.steps.get(name, StepSettings())
        container = executors[label]["container"]
        if asked := _resources(cluster.resources, own):
            container["resources"] = asked
        variables = {"MLFLOW_TRACKING_URI": cluster.mlflow} if cluster.mlflow else {}
        variables |= {**artifacts, IMAGE: container["image"]}
        variables |= cluster.environment
        secrets = {**artifact_keys, **cluster.secrets}
        if own_store and name in by_task() and by_task()[name].reads_addresses:
            variables |= {"AWS_ENDPOINT_URL": _MINIO}
            secrets |= _prefixed("AWS")
        container["env"] = [{"name": key, "value": value} for key, value in sorted(variables.items())]
        configs[label] = _pod(cluster, own, secrets)
    for name, task in spec.root.dag.tasks.items():
        own = cluster.steps.get(name.replace("-", "_"), StepSettings())
        _retry(task.retry_policy, cluster, own.timeout or cluster.timeout)
    return {"platforms": {"kubernetes": {"deploymentSpec": {"executors": configs}}}}


def _artifacts(cluster: Cluster, use_case: str) -> tuple[dict[str, str], dict[str, SecretKey]]:
    """What steps need to publish: variables, and those that come of Secrets."""
    url = cluster.environment.get(ARTIFACTS, cluster.artifacts)
    variables = {ARTIFACTS: url, USE_CASE: use_case}
    declared = any(name.startswith(f"{ARTIFACTS}_") for name in (*cluster.environment, *cluster.secrets))
    if declared or not f"{url}/".startswith(f"{_BUCKET}/"):
        return variables, {}
    return {**variables, f"{ARTIFACTS}_ENDPOINT_URL": _MINIO}, _prefixed(ARTIFACTS)


def _prefixed(prefix: str) -> dict[str, SecretKey]:
    """The keys of the cluster's MinIO, as variables that begin with a word."""
    return {f"{prefix}_{name}": key for name, key in _KEYS.items()}


def _resources(common: Resources, own: StepSettings) -> dict[str, str]:
    asked = {**common.model_dump(exclude_none=True), **own.model_dump(exclude_none=True, exclude={"timeout"})}
    return {_RESOURCES[key]: value for key, value in asked.items()}


def _retry(policy: Any, cluster: Cluster, timeout: int) -> None:
    """Sets a task's retries.

    Argo counts its longest duration from the start of the first try, gives up when that is over, and even ends a try
    under way: it must leave room for all of them.
    """
    times, backoff = cluster.retry.times, cluster.retry.backoff
    policy.max_retry_count = times
    policy.backoff_factor = float(BACKOFF_FACTOR)
    policy.backoff_duration.seconds = backoff
    policy.backoff_max_duration.seconds = (times + 1) * timeout + backoff * (BACKOFF_FACTOR**times - 1) + 600


def _pod(cluster: Cluster, own: StepSettings, secrets: dict[str, SecretKey]) -> dict[str, Any]:
    """The KubernetesExecutorConfig of a step, of kfp-kubernetes, in the form of its JSON."""
    # Imported through kfp's own package, its message costs 0.4 s; a test reads what is written here with it.
    config: dict[str, Any] = {
        "activeDeadlineSeconds": str(own.timeout or cluster.timeout),
        "imagePullPolicy": cluster.image_pull_policy,
        "securityContext": {"runAsNonRoot": True},
        # By it a step finds its run in MLflow (components/common/tracking/mlflow_log.py).
        "fieldPathAsEnv": [{"name": KFP_RUN, "fieldPath": "metadata.labels['pipeline/runid']"}],
    }
    for key, value in (("runAsUser", cluster.run_as_user), ("runAsGroup", cluster.run_as_group)):
        if value is not None:
            config["securityContext"][key] = str(value)
    if secrets:
        config["secretAsEnv"] = [
            {
                "secretNameParameter": _constant(source.secret),
                "keyToEnv": [{"secretKey": source.key, "envVar": variable}],
            }
            for variable, source in sorted(secrets.items())
        ]
    if cluster.image_pull_secrets:
        config["imagePullSecret"] = [{"secretNameParameter": _constant(name)} for name in cluster.image_pull_secrets]
    if cluster.node_selector:
        config["nodeSelector"] = {"labels": cluster.node_selector}
    if cluster.tolerations:
        config["tolerations"] = [taint.model_dump(exclude_none=True) for taint in cluster.tolerations]
    return config


def _constant(text: str) -> dict[str, Any]:
    return {"runtimeValue": {"constant": text}}
