"""What is said of a run on the cluster once it has ended: metrics, and where people find it."""

from __future__ import annotations

import json
from typing import Any

from tabpipe.cluster.reach import NAMESPACE, Cluster
from tabpipe.cluster.watch import Outcome
from tabpipe.summary import METRICS

ADDRESS = "tabpipe/address"
"""Annotation of a Service: where a browser on the user's machine finds it."""
_SPLITS = {"train": "validation", "evaluate": "test"}


def metrics_of(cluster: Cluster, outcome: Outcome) -> dict[str, dict[str, float]]:
    """The metrics that the steps of a run logged, from MLflow; none where there is no MLflow.

    Args:
        cluster: Where the run was.
        outcome: How it ended, with what Kubeflow's MLflow plugin said of it.

    Returns:
        `validation` and `test`, each metric to value; of a cached step to six digits.
    """
    entries = tracked(outcome)
    if not entries:
        return {}
    try:
        found = cluster.mlflow(
            "runs/search",
            {
                "experiment_ids": [entries["experiment_id"]],
                "filter": f"tags.mlflow.parentRunId = '{entries['root_run_id']}'",
                "max_results": 100,
            },
        )
    except Exception:  # the metrics are an extra: the run has ended well without them
        return {}
    metrics: dict[str, dict[str, float]] = {}
    for run in found.get("runs", []):
        tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
        split = _SPLITS.get(tags.get("mlflow.runName", "").split("/")[-1])
        logged = {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])}
        # The step itself has logged NAME as test_NAME, whole. Kubeflow's plugin logs NAME, to six digits; for a step
        # that the cache served there is nothing else.
        if split:
            whole = {name: logged.get(f"{split}_{name}", logged.get(name)) for name in METRICS}
            metrics[split] = {name: value for name, value in whole.items() if value is not None}
    return {split: metrics[split] for split in _SPLITS.values() if metrics.get(split)}


def tracked(outcome: Outcome) -> dict[str, str]:
    """Where MLflow has a run: `experiment_id`, `root_run_id` and what else the plugin says; empty where it has not."""
    plugin = outcome.plugins.get("mlflow")
    entries = {name: str(entry.value) for name, entry in ((plugin and plugin.entries) or {}).items()}
    return entries if entries.get("root_run_id") else {}


def links(cluster: Cluster, run_id: str, entries: dict[str, str]) -> list[str]:
    """Where people look at a run: lines of text.

    Args:
        cluster: Where the run is.
        run_id: Its id.
        entries: What `tracked` gave.
    """
    lines = [f"  Kubeflow {_address(cluster, 'ml-pipeline-ui', 8080, 80)}/#/runs/details/{run_id}"]
    if entries:
        path = f"/#/experiments/{entries['experiment_id']}/runs/{entries['root_run_id']}"
        lines.append(f"  MLflow   {_address(cluster, 'mlflow', 5050, 5000)}{path}")
    if not all(_annotated(cluster, service) for service in ("ml-pipeline-ui", "mlflow")):
        lines.append(f"  after    kubectl port-forward -n {NAMESPACE} svc/ml-pipeline-ui 8080:80")
        if entries:
            lines.append(f"           kubectl port-forward -n {NAMESPACE} svc/mlflow 5050:5000")
    return lines


def _annotated(cluster: Cluster, service: str) -> str:
    from kubernetes.client import ApiException

    try:
        found = cluster.core.read_namespaced_service(service, NAMESPACE)
    except ApiException:
        return ""
    return (found.metadata.annotations or {}).get(ADDRESS, "").rstrip("/")


def _address(cluster: Cluster, service: str, port: int, target: int) -> str:
    return _annotated(cluster, service) or f"http://localhost:{port}"


def document(run_id: str, uploaded: Any, outcome: Outcome, metrics: dict[str, dict[str, float]]) -> str:
    """What `--json` prints of a run."""
    return json.dumps(
        {
            "run_id": run_id,
            "use_case": uploaded.use_case,
            "version": uploaded.version,
            "state": outcome.state,
            "steps": [
                {
                    "name": step.name,
                    "state": step.state,
                    "cached": step.cached,
                    "tries": step.tries,
                    "seconds": round(max(0.0, step.ended - step.started), 1),
                }
                for step in outcome.steps.values()
            ],
            "metrics": metrics,
            "mlflow": tracked(outcome) or None,
            "error": outcome.error,
        }
    )
