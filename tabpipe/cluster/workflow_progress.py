"""How far a run on the cluster is, read from the Argo workflow that Kubeflow made of it and from its pods."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tabpipe.cluster.client import NAMESPACE, NO_IMAGE, Cluster

_NOT_BEGUN = ("Omitted", "Skipped")
_STATES = {"Pending": "running", "Running": "running", "Succeeded": "succeeded", "Failed": "failed", "Error": "failed"}


@dataclass
class Step:
    """One step of a run."""

    name: str
    state: str = "running"
    """running, succeeded or failed."""
    cached: bool = False
    started: float = 0.0
    """Seconds since the epoch, of its first pod."""
    ended: float = 0.0
    """Seconds since the epoch; 0 while it runs."""
    message: str = ""
    """What Argo says of a failure, for instance `OOMKilled (exit code 137)`."""
    tries: int = 0
    pod: str = ""
    """The pod of its latest try."""


def steps_of(workflow: dict[str, Any], names: Iterable[str]) -> dict[str, Step]:
    """The steps of a workflow that have begun.

    A step NAME is a node `NAME-driver`, which looks into the cache, then a node `NAME` around a node `executor`, which
    is skipped if the cache served; each of them holds one node `(0)`, `(1)`, … a try.

    Args:
        workflow: The Workflow object.
        names: The pipeline's steps.
    """
    by_task = {name.replace("_", "-"): name for name in names}
    found: dict[str, Step] = {}
    for node in sorted(workflow.get("status", {}).get("nodes", {}).values(), key=lambda node: node["name"]):
        path = [re.sub(r"\(\d+\)$", "", part) for part in node["name"].split(".")][1:]
        if len(path) < 2 or path[0] != "root" or (len(path) == 2 and node.get("phase") in _NOT_BEGUN):
            continue
        task, driving = path[1].removesuffix("-driver"), path[1].endswith("-driver")
        if task in by_task:
            _add(found.setdefault(task, Step(by_task[task])), node, path, driving)
    return {step.name: step for step in found.values()}


def _add(step: Step, node: dict[str, Any], path: list[str], driving: bool) -> None:
    """Adds what one node says to its step."""
    started, whole = _seconds(node.get("startedAt")), not re.search(r"\(\d+\)$", node["name"])
    if started:
        step.started = min(step.started or started, started)
    phase = node.get("phase", "Pending")
    if path[2:] == ["executor"]:
        step.cached = step.cached or phase == "Skipped"
        if node.get("type") == "Pod":
            step.tries += 1
            step.pod = pod_name(node)
            step.message = node.get("message", "") if phase in ("Failed", "Error") else ""
    elif len(path) == 2 and whole:
        state = _STATES.get(phase, "running")
        if not driving or state == "failed":
            step.state, step.ended = state, _seconds(node.get("finishedAt"))
            if driving:
                step.message = node.get("message", "")
    elif len(path) == 2 and driving and node.get("type") == "Pod" and not step.pod:
        step.pod = pod_name(node)


def pod_name(node: dict[str, Any]) -> str:
    """The name of a node's pod: workflow, template and the node's own number."""
    workflow, _, number = node["id"].rpartition("-")
    return f"{workflow}-{node['templateName']}-{number}"


def _seconds(text: str | None) -> float:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() if text else 0.0


def workflow_of(cluster: Cluster, run_id: str) -> dict[str, Any]:
    """The workflow of a run; an empty one where there is none yet or it is gone already."""
    found = cluster.custom.list_namespaced_custom_object(
        "argoproj.io", "v1alpha1", NAMESPACE, "workflows", label_selector=f"pipeline/runid={run_id}"
    )["items"]
    return found[0] if found else {}


def stuck(cluster: Cluster, run_id: str) -> str:
    """Why a pod of a run cannot start, in the cluster's words; empty where none is stuck."""
    for pod in cluster.core.list_namespaced_pod(NAMESPACE, label_selector=f"pipeline/runid={run_id}").items:
        for status in [*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])]:
            waiting = status.state.waiting
            if waiting and waiting.reason in ("CreateContainerConfigError", "CreateContainerError", "InvalidImageName"):
                return f"a container cannot be made: {waiting.message or waiting.reason}"
            if waiting and waiting.reason in NO_IMAGE:
                return f"the image {status.image} is not in the cluster ({waiting.reason})"
        for condition in pod.status.conditions or []:
            if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
                return f"no node can take a step: {condition.message}"
    return ""


def log_of(cluster: Cluster, pod: str, lines: int | None = None) -> str:
    """What a step has printed; empty where its pod is gone or has not begun."""
    from kubernetes.client import ApiException

    try:
        return cluster.core.read_namespaced_pod_log(pod, NAMESPACE, container="main", tail_lines=lines)
    except ApiException:
        return ""
