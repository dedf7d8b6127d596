"""A server that KServe runs: followed from its InferenceService to its pods, and where it is reached."""

from __future__ import annotations

import sys
import time
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.kubectl import Failed, Kubectl
from tabpipe.install.ready import EVERY, wait
from tabpipe.serving.kubernetes_objects import SETTINGS

KIND = "InferenceService"
KINDS = "inferenceservices.serving.kserve.io"
"""As kubectl names them."""
_SCALED = "serving.kserve.io/autoscalerClass"
_NOT_FOR_US = ("the server doesn't have a resource type", "orbidden")
"""What is said where there is no KServe, or where its objects are not for everybody to read."""


def there(kubectl: Kubectl, namespace: str, *asked: str) -> list[dict[str, Any]]:
    """The InferenceServices of a namespace; none where the cluster has no KServe."""
    try:
        return kubectl.items("get", KINDS, "--namespace", namespace, *asked)
    except Failed as error:
        if any(words in error.said for words in _NOT_FOR_US):
            return []
        raise


def follow(kubectl: Kubectl, wanted: dict[str, Any], timeout: float) -> float:
    """Waits until KServe has brought an InferenceService to its pods, all of them are ready, and KServe says so.

    Its condition `Ready` alone tells nothing of an update: it stays true while one goes on, and if one fails. Nor does
    `observedGeneration`, into which KServe writes its Deployment's.

    Args:
        kubectl: The cluster.
        wanted: The InferenceService, as it was applied.
        timeout: Seconds at most.

    Returns:
        Seconds that it took.

    Raises:
        Refusal: KServe does not do it, or the pods do not become ready.
    """
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    began = time.monotonic()
    while not _brought(kubectl, wanted):
        _pause(kubectl, name, namespace, began, timeout)
    left = timeout - (time.monotonic() - began)
    wait(kubectl, namespace, [f"deployment/{_predictor(name)}"], sys.stderr, left, command="make deploy")
    while ("Ready", "True") not in [(each["type"], each["status"]) for each in _conditions(kubectl, name, namespace)]:
        _pause(kubectl, name, namespace, began, timeout)
    return time.monotonic() - began


def reached(kubectl: Kubectl, wanted: dict[str, Any]) -> tuple[str, int, list[str]]:
    """What a way from this machine is opened to, its port, and lines that say at which addresses KServe lets it answer.

    The way is to the Deployment: kubectl opens none to a headless Service, which KServe can be set to make.
    """
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    status = kubectl.json("get", f"{KINDS}/{name}", "--namespace", namespace)["status"]
    (container,) = wanted["spec"]["predictor"]["containers"]
    port, to = container["ports"][0]["containerPort"], f"deployment/{_predictor(name)}"
    lines = [
        f"  in the cluster  {status['address']['url']}",
        f"  from outside    {status['url']}  (where KServe's ingress leads there)",
        f"  on this machine kubectl port-forward --namespace {namespace} {to} 8000:{port}",
    ]
    return to, port, lines


def _predictor(name: str) -> str:
    return f"{name}-predictor"


def _brought(kubectl: Kubectl, wanted: dict[str, Any]) -> bool:
    """Whether KServe's Deployment is what the InferenceService says now."""
    name, predictor = wanted["metadata"]["name"], wanted["spec"]["predictor"]
    asked = ["--namespace", wanted["metadata"]["namespace"], "--ignore-not-found"]
    found = kubectl.json("get", "deployment", _predictor(name), *asked)
    if not found:
        return False
    notes = found["spec"]["template"]["metadata"].get("annotations", {})
    # It begins with one pod; its autoscaler makes the others.
    scaled = wanted["metadata"].get("annotations", {}).get(_SCALED) == "hpa"
    enough = not scaled or found["spec"].get("replicas", 1) >= predictor["minReplicas"]
    return enough and notes.get(SETTINGS) == predictor["annotations"][SETTINGS]


def _conditions(kubectl: Kubectl, name: str, namespace: str) -> list[dict[str, Any]]:
    return (kubectl.json("get", f"{KINDS}/{name}", "--namespace", namespace).get("status") or {}).get("conditions", [])


def _pause(kubectl: Kubectl, name: str, namespace: str, began: float, timeout: float) -> None:
    """Waits a moment, or tells what KServe says once there is no time left."""
    if time.monotonic() - began < timeout:
        time.sleep(EVERY)
        return
    conditions = _conditions(kubectl, name, namespace)
    amiss = [each for each in conditions if each["status"] != "True" and each.get("severity") != "Info"]
    why = [f"{each['type']}: {each.get('message') or each.get('reason', '')}" for each in amiss]
    raise Refusal(
        f"KServe has not made it ready after {timeout:.0f} s: {'; '.join(why) or 'it does not say why'}",
        where=f"{KINDS}/{name}, namespace {namespace}",
        mend=f"kubectl describe {KINDS}/{name} --namespace {namespace}; the log of kserve-controller-manager",
    )
