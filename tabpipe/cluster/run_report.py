"""What is said of a run on the cluster once it has ended: metrics, and where people find it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from tabpipe.cluster.client import NAMESPACE, Cluster
from tabpipe.cluster.score_result import Scored
from tabpipe.cluster.watch import Outcome
from tabpipe.runs.summary import METRICS
from tabpipe.steps import steps

ADDRESS = "tabpipe/address"
"""Annotation of a Service: where a browser on the user's machine finds it."""


def metrics_of(cluster: Cluster, outcome: Outcome) -> dict[str, dict[str, float]]:
    """The metrics that the steps of a run logged, from MLflow; none where there is no MLflow.

    Args:
        cluster: Where the run was.
        outcome: How it ended, with what Kubeflow's MLflow plugin said of it.

    Returns:
        `validation` and `test`, each metric to value.
    """
    entries = tracked(outcome)
    if not entries:
        return {}
    try:
        of_run = _logged(cluster, entries, f"tags.mlflow.parentRunId = '{entries['root_run_id']}'")
        metrics = {}
        for step, split in ((step.name, step.scores) for step in steps().values() if step.scores):
            of_step = next((logged for name, logged in of_run if name == step), {})
            metrics[split] = _own(of_step, split) or _served(cluster, entries, step, split, of_step)
    except Exception:  # the metrics are an extra: the run has ended well without them
        return {}
    return {split: values for split, values in metrics.items() if values}


def promotion_of(cluster: Cluster, outcome: Outcome) -> dict[str, str] | None:
    """What the step promote decided and why; None where it did not run or there is no MLflow."""
    entries = tracked(outcome)
    if not entries:
        return None
    asked = {
        "experiment_ids": [entries["experiment_id"]],
        "filter": f"tags.mlflow.parentRunId = '{entries['root_run_id']}' and attributes.run_name = 'promote'",
        "order_by": ["start_time DESC"],
        "max_results": 1,
    }
    try:
        (run,) = cluster.mlflow("runs/search", asked)["runs"]
        tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
        return {name: tags[name] for name in ("decision", "reason")}
    except Exception:  # an extra, like the metrics; one that the cache served has no tags
        return None


def _logged(cluster: Cluster, entries: dict[str, str], condition: str) -> list[tuple[str, dict[str, float]]]:
    """Name and metrics of the latest runs in an experiment that fulfil a condition."""
    asked = {
        "experiment_ids": [entries["experiment_id"]],
        "filter": condition,
        "order_by": ["start_time DESC"],
        "max_results": 100,
    }
    return [
        (run["info"]["run_name"], {metric["key"]: metric["value"] for metric in run["data"].get("metrics", [])})
        for run in cluster.mlflow("runs/search", asked).get("runs", [])
    ]


def _own(logged: dict[str, float], split: str) -> dict[str, float]:
    """The metrics that a step has logged itself: NAME as test_NAME."""
    return {name: logged[f"{split}_{name}"] for name in METRICS if f"{split}_{name}" in logged}


def _served(
    cluster: Cluster, entries: dict[str, str], step: str, split: str, of_step: dict[str, float]
) -> dict[str, float]:
    """The metrics of a step that the cache served.

    Kubeflow's plugin repeats them to six digits only. Whole they are in the record of the run that made them.
    """
    rounded = {name: of_step[name] for name in METRICS if name in of_step}
    for _, logged in _logged(cluster, entries, f"attributes.run_name = '{step}'") if rounded else ():
        whole = _own(logged, split)
        if {name: float(f"{value:.6g}") for name, value in whole.items()} == rounded:
            return whole
    return rounded


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
    ui, mlflow = (_annotated(cluster, service) for service in ("ml-pipeline-ui", "mlflow"))
    lines = [f"  Kubeflow {ui or 'http://localhost:8080'}/#/runs/details/{run_id}"]
    if entries:
        path = f"/#/experiments/{entries['experiment_id']}/runs/{entries['root_run_id']}"
        lines.append(f"  MLflow   {mlflow or 'http://localhost:5050'}{path}")
    if not (ui and mlflow):
        lines.append(f"  after    kubectl port-forward -n {NAMESPACE} svc/ml-pipeline-ui 8080:80")
        if entries:
            lines.append(f"           kubectl port-forward -n {NAMESPACE} svc/mlflow 5050:5000")
    return lines


def _annotated(cluster: Cluster, service: str) -> str:
    """The address that a Service is annotated with; empty where it has none."""
    from kubernetes.client import ApiException

    try:
        found = cluster.core.read_namespaced_service(service, NAMESPACE)
    except ApiException:
        return ""
    return (found.metadata.annotations or {}).get(ADDRESS, "").rstrip("/")


def document(
    run_id: str,
    uploaded: Any,
    outcome: Outcome,
    metrics: dict[str, dict[str, float]],
    promotion: dict[str, str] | None,
    scored: Scored | None,
) -> str:
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
            "promotion": promotion,
            "scored": scored and asdict(scored),
            "mlflow": tracked(outcome) or None,
            "error": outcome.error,
        }
    )
