"""The parts of an install: which are ready, and why others are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tabpipe.cluster.client import NO_IMAGE
from tabpipe.cluster.kubectl import Failed, Kubectl
from tabpipe.install.apply import key

WORKLOADS = ("Deployment", "StatefulSet", "Job")
_NOT_MADE = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_CRASHES = 3
"""So many restarts of a container are no accident."""
_SLOW = 30.0
"""Seconds after which a pod that is still being made is asked for its events."""


@dataclass
class Part:
    """One workload, as it is now."""

    name: str
    """`deployment/mlflow`."""
    state: str = "waiting"
    """waiting, ready, or failing: it will not become ready by itself."""
    note: str = ""
    """What it waits for, or what is wrong."""
    pod: str = ""
    """The pod that is to blame."""
    container: str = ""
    """The container that is to blame; empty where none has begun."""
    image: bool = False
    """Whether its image is to blame."""


def look(kubectl: Kubectl, namespace: str, names: list[str], age: float = 0.0) -> list[Part]:
    """How the parts of an install are.

    Args:
        kubectl: The cluster.
        namespace: Where they are.
        names: Their names, as `applying.key` gives them.
        age: Seconds since they were applied.
    """
    found = kubectl.items("get", "deployments,statefulsets,jobs,pods", "--namespace", namespace)
    pods = [thing for thing in found if thing["kind"] == "Pod"]
    workloads = {key(thing): thing for thing in found if thing["kind"] in WORKLOADS}
    parts = [part_of(name, workloads.get(name), pods) for name in names]
    if age > _SLOW:
        for part in parts:
            if part.state == "waiting" and not part.container:
                part.note = warning(kubectl, namespace, part) or part.note
    return parts


def part_of(name: str, workload: dict[str, Any] | None, pods: list[dict[str, Any]]) -> Part:
    """How one workload is.

    Args:
        name: Its name.
        workload: What the cluster says of it; None where it is gone.
        pods: The pods of its namespace.
    """
    if workload is None:
        return Part(name, "failing", "it is gone from the cluster")
    if is_ready(workload):
        return Part(name, "ready")
    conditions = {each["type"]: each for each in workload.get("status", {}).get("conditions") or []}
    failure = conditions.get("ReplicaFailure") or conditions.get("Failed")
    if failure and failure["status"] == "True" and workload["kind"] != "Job":
        return Part(name, "failing", failure.get("message", failure.get("reason", "")))
    labels = workload["spec"].get("selector", {}).get("matchLabels", {})
    mine = [pod for pod in pods if labels and labels.items() <= pod["metadata"].get("labels", {}).items()]
    found = [part for pod in mine if (part := _of_pod(name, pod))]
    found.sort(key=lambda part: (part.state != "failing", not part.note))
    if failure and failure["status"] == "True":
        blamed = found[0] if found else Part(name)
        return Part(name, "failing", failure.get("message", ""), blamed.pod, blamed.container)
    return found[0] if found else Part(name, "waiting", "no pod yet" if not mine else "")


def is_ready(workload: dict[str, Any]) -> bool:
    """Whether a workload is what its description says, or has done its work."""
    spec, status = workload["spec"], workload.get("status", {})
    if workload["kind"] == "Job":
        return status.get("succeeded", 0) >= (spec.get("completions") or 1)
    wanted = spec.get("replicas", 1)
    if status.get("observedGeneration", 0) < workload["metadata"].get("generation", 0):
        return False
    if workload["kind"] == "StatefulSet" and status.get("currentRevision") != status.get("updateRevision"):
        return status.get("updatedReplicas", 0) >= wanted and status.get("readyReplicas", 0) >= wanted
    if workload["kind"] == "Deployment" and status.get("replicas", 0) > status.get("updatedReplicas", 0):
        return False  # what is available may be of the former description
    ready = status.get("availableReplicas", status.get("readyReplicas", 0))
    return ready >= wanted and (workload["kind"] == "StatefulSet" or status.get("updatedReplicas", 0) >= wanted)


def _of_pod(name: str, pod: dict[str, Any]) -> Part | None:
    """What one pod says of its workload; None where it says nothing, or is on its way out."""
    status, title = pod.get("status", {}), pod["metadata"]["name"]
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") == "Succeeded":
        return None
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return Part(name, "waiting", f"Pending: {condition.get('message', '')}", title)
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        part = _of_container(name, title, container)
        if part:
            return part
    if status.get("phase") == "Failed":
        return Part(name, "waiting", status.get("message") or status.get("reason") or "a pod has failed", title)
    return None


def _of_container(name: str, pod: str, container: dict[str, Any]) -> Part | None:
    state, title = container.get("state", {}), container["name"]
    waiting, ended = state.get("waiting", {}), container.get("lastState", {}).get("terminated", {})
    reason, message = waiting.get("reason", ""), waiting.get("message", "")
    if reason in NO_IMAGE:
        return Part(name, "failing", f"{reason}: {container['image']}: {message}", pod, title, image=True)
    if reason in _NOT_MADE:
        return Part(name, "failing", f"{reason}: {message}", pod, title)
    restarts = container.get("restartCount", 0)
    if reason == "CrashLoopBackOff" or (restarts and not container.get("ready")):
        why = f"{ended.get('reason', 'Error')}, exit code {ended.get('exitCode', '?')}"
        crashing = restarts >= _CRASHES
        return Part(name, "failing" if crashing else "waiting", f"restarted {restarts} times: {why}", pod, title)
    if reason == "ContainerCreating":
        return Part(name, "waiting", "being made", pod)
    if reason == "PodInitializing" or state.get("terminated", {}).get("reason") == "Completed":
        return None
    if "running" in state and not container.get("ready"):
        return Part(name, "waiting", f"{title} is starting", pod, title)
    return None


def warning(kubectl: Kubectl, namespace: str, part: Part) -> str:
    """The latest warning among the events of a part or of its pod; empty where there is none."""
    blamed = part.pod or part.name.partition("/")[2]
    selector = f"type=Warning,involvedObject.name={blamed}"
    events = kubectl.items("get", "events", "--namespace", namespace, "--field-selector", selector)
    events.sort(key=lambda event: event.get("lastTimestamp") or event["metadata"]["creationTimestamp"])
    return f"{events[-1]['reason']}: {events[-1]['message']}" if events else ""


def last_words(kubectl: Kubectl, namespace: str, part: Part, lines: int = 12) -> str:
    """The last lines that the container to blame has printed, in its present or its previous life."""
    if not part.container:
        return ""
    for previous in ([], ["--previous"]):
        try:
            said = kubectl(
                "logs", part.pod, "--container", part.container, "--namespace", namespace, f"--tail={lines}", *previous
            )
        except Failed:
            continue
        if said.strip():
            return said.rstrip()
    return ""
