"""What an install may do on a cluster, asked before it does anything."""

from __future__ import annotations

from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.kubectl import Failed, Kubectl, as_list, last_line

OLDEST = (1, 29)
"""The oldest Kubernetes that is accepted; Kubeflow Pipelines 2.17 is tested on those that are maintained."""
_NEEDED = [
    ("", "secrets", "get list create"),
    ("", "pods", "get list"),
    ("", "pods/log", "get"),
    ("", "events", "list"),
]
"""What an install does beside applying its objects: group, resource, verbs."""


def check_server(kubectl: Kubectl) -> str:
    """Checks that a cluster answers and is new enough.

    Returns:
        Its version.

    Raises:
        Refusal: It does not answer, does not know the user, or is too old.
    """
    try:
        version = kubectl.json("version", "--request-timeout=15s", timeout=60)["serverVersion"]
    except (Failed, KeyError) as error:
        raise Refusal(
            f"the cluster does not let you in: {last_line(str(error))}",
            where=f"context {kubectl.context}",
            mend="renew your credentials for it, or choose another context",
        ) from None
    number = (int(version["major"]), int(version["minor"].rstrip("+")))
    if number < OLDEST:
        raise Refusal(
            "this Kubernetes is too old",
            where=f"context {kubectl.context}",
            value=version["gitVersion"],
            rule=f"{'.'.join(map(str, OLDEST))} or newer",
        )
    return version["gitVersion"]


def check_permission(kubectl: Kubectl, objects: list[dict[str, Any]], namespace: str) -> None:
    """Checks that the user may make what an install makes.

    Raises:
        Refusal: Something is not allowed; all of it is named.
    """
    questions = {
        (_group(thing), plural(thing["kind"]), verb, thing["metadata"].get("namespace", ""))
        for thing in objects
        for verb in ("get", "create", "patch")
    }
    questions |= {(group, name, verb, namespace) for group, name, verbs in _NEEDED for verb in verbs.split()}
    answers = kubectl.items("create", "--filename", "-", stdin=as_list(_review(*each) for each in sorted(questions)))
    denied: dict[str, list[str]] = {}
    for answer in answers:
        if not answer["status"].get("allowed"):
            asked = answer["spec"]["resourceAttributes"]
            name = asked["resource"] + (f".{asked['group']}" if asked.get("group") else "")
            denied.setdefault(name + ("" if asked.get("namespace") else " (whole cluster)"), []).append(asked["verb"])
    if denied:
        raise Refusal(
            "the cluster does not allow it: "
            + "; ".join(f"{', '.join(sorted(verbs))} {name}" for name, verbs in sorted(denied.items())),
            where=f"context {kubectl.context}",
            rule=f"an install makes objects in the namespace {namespace}, and Kubeflow's kinds for the whole cluster",
            mend="ask whoever runs the cluster for these rights, or to install it for you",
        )


def _review(group: str, resource: str, verb: str, namespace: str) -> dict[str, Any]:
    resource, _, part = resource.partition("/")
    asked = {"group": group, "resource": resource, "verb": verb, "namespace": namespace, "subresource": part}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in asked.items() if value}},
    }


def _group(thing: dict[str, Any]) -> str:
    group, slash, _ = thing["apiVersion"].partition("/")
    return group if slash else ""


def plural(kind: str) -> str:
    """The name by which Kubernetes' rules know a kind."""
    name = kind.lower()
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s")
