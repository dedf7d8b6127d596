"""`tabpipe deploy` and `undeploy`: the server of a use case on a cluster, by kubectl."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.registry.model_ref import parse_model
from tabpipe.cluster.client import NAMESPACE
from tabpipe.cluster.forward import forwarded
from tabpipe.cluster.kubectl import Failed, Kubectl, as_list, check_version, current, last_line
from tabpipe.cluster.run_report import ADDRESS
from tabpipe.compile.images import SERVER, image_of
from tabpipe.console import progress
from tabpipe.install.access import check_server
from tabpipe.install.apply import Changes, apply
from tabpipe.install.ready import wait
from tabpipe.serving import kserve, kubernetes_objects, preflight
from tabpipe.serving.wait_ready import how_to_ask, until_ready

PORT = 8000
"""Of the Service."""
_TRIES = 5
"""How often a way to the Service is opened: it leads to one pod, which may be one that is just ending."""
_KINDS = "deployments,services,horizontalpodautoscalers,poddisruptionbudgets,networkpolicies,serviceaccounts,configmaps"


@dataclass
class Deployment:
    """What is deployed, and where."""

    config: str
    """A use case under config/, or a YAML file."""
    overrides: list[str] = field(default_factory=list)
    registry: str = ""
    """Where the image is; the one that the cluster advertises where it is empty."""
    overlay: str = ""
    namespace: str = NAMESPACE
    context: str = ""
    """Of the kubeconfig; the current one where it is empty."""
    model: str = ""
    """The address of another model than the champion."""
    timeout: float = 300.0
    """Seconds that it has to become ready."""
    force: bool = False
    """Whether to take over fields that something else has set."""


def deploy(wanted: Deployment) -> int:
    """Deploys, and waits until the server answers.

    Raises:
        Refusal: What is wrong with the cluster, the model, or the pods.
    """
    from tabpipe.config import find_config, load

    case, use_case = load(wanted.config, wanted.overrides), find_config(wanted.config).stem
    name, folder = kubernetes_objects.name_of(use_case), kubernetes_objects.overlay(wanted.overlay)
    model = _address(wanted.model) or f"models:/{use_case}@champion"
    check_version()
    kubectl = current(wanted.context)
    with _allowed(kubectl, wanted.namespace):
        version = check_server(kubectl)
        progress(
            f"Deploying {name} to {kubectl.context} ({kubectl.server}, Kubernetes {version}), in {wanted.namespace}"
        )
        image = image_of(SERVER, registry=wanted.registry or preflight.own_registry(kubectl), model=case.train.model)
        told = kubernetes_objects.Told(use_case, case.serve, case.cluster, image, wanted.namespace, model)
        told = preflight.with_secret(kubectl, told)
        if not wanted.model and kubernetes_objects.own_mlflow(case.cluster):
            progress(f"  {model} is version {preflight.champion(kubectl, wanted.namespace, use_case)}")
        return _deploy(kubectl, wanted, folder, told)


def _deploy(kubectl: Kubectl, wanted: Deployment, folder: Path, told: kubernetes_objects.Told) -> int:
    name = kubernetes_objects.name_of(told.use_case)
    there = preflight.there(kubectl, name, told.use_case, wanted.namespace)
    # How many there are is left as it is: the autoscaler knows better.
    plain = [thing["spec"].get("replicas") for thing in there if thing["kind"] == "Deployment"]
    wholes = kubernetes_objects.objects_of(folder, told, plain[0] if plain else told.serve.replicas.min)
    ((workload, _, _),) = kubernetes_objects.pods_of(wholes)
    _refuse_another_kind(there, workload, told)
    _tell(_apply(kubectl, wholes, wanted.force), there, told.image)
    if workload["kind"] == kserve.KIND:
        seconds = kserve.follow(kubectl, workload, wanted.timeout)
        to, port, lines = kserve.reached(kubectl, workload)
        here = f"http://localhost:{PORT}"
    else:
        names = [f"deployment/{name}"]
        seconds = wait(kubectl, wanted.namespace, names, sys.stderr, wanted.timeout, command="make deploy")
        to, port, (lines, here) = f"service/{name}", PORT, _reached(wholes)
    progress(f"All servers are ready ({seconds:.0f} s).")
    print("\n".join(lines + _asked(kubectl, to, port, wanted.namespace, here, bool(told.secret))))
    return 0


def _refuse_another_kind(there: list[dict[str, Any]], workload: dict[str, Any], told: kubernetes_objects.Told) -> None:
    """A Deployment and an InferenceService of one name would answer beside each other, behind one Service."""
    others = [thing["kind"] for thing in there if thing["kind"] != workload["kind"]]
    if others:
        raise Refusal(
            f"{workload['metadata']['name']} is there already, of another overlay",
            where=f"namespace {told.namespace}",
            value=others[0],
            mend=f"make undeploy CONFIG={told.use_case} first",
        )


def undeploy(config: str, namespace: str, context: str = "") -> int:
    """Takes the server of a use case off a cluster; the Secret with its API key stays.

    Raises:
        Refusal: The cluster does not answer or does not allow it.
    """
    from tabpipe.config import find_config

    name = kubernetes_objects.name_of(find_config(config).stem)
    check_version()
    kubectl = current(context)
    check_server(kubectl)
    selector = f"app.kubernetes.io/name=serve,app.kubernetes.io/instance={name}"
    with _allowed(kubectl, namespace):
        # KServe's first: as long as it is there, KServe makes anew what is taken from it.
        served = kserve.there(kubectl, namespace, "--selector", selector)
        kinds = f"{kserve.KINDS},{_KINDS}" if served else _KINDS
        asked = ["--namespace", namespace, "--selector", selector, "-o", "name", "--wait"]
        gone = [line for line in kubectl("delete", kinds, *asked).splitlines() if "/" in line]  # or a sentence
    said = f"{name} is gone: {len(gone)} objects" if gone else f"nothing of {name} is there"
    progress(f"{said} ({kubectl.context}, namespace {namespace})")
    return 0


@contextmanager
def _allowed(kubectl: Kubectl, namespace: str) -> Iterator[None]:
    """Words what a cluster refuses."""
    try:
        yield
    except Failed as error:
        raise Refusal(
            f"the cluster refuses it: {last_line(error.said)}",
            where=f"context {kubectl.context}, namespace {namespace}",
            mend="ask whoever runs the cluster for this right" if "orbidden" in error.said else "",
        ) from None


def _address(model: str) -> str:
    if model and (ref := parse_model(model, short=True, where="--model")).place != "registry":
        raise Refusal(
            "a server on a cluster takes its model from MLflow's registry",
            where="--model",
            value=str(ref),
            rule="models:/NAME@ALIAS or models:/NAME/VERSION",
        )
    return model


def _apply(kubectl: Kubectl, wholes: list[dict[str, Any]], force: bool) -> Changes:
    """Applies all objects, if the cluster would take each of them."""
    asked = ["--server-side", "--field-manager=tabpipe", "--dry-run=server", *(["--force-conflicts"] if force else [])]
    try:
        kubectl("apply", *asked, "--filename", "-", "-o", "name", stdin=as_list(wholes))
    except Failed as error:
        if "conflict" not in error.said:  # what is said of those by `apply` is better
            said = " ".join(line.strip() for line in error.said.splitlines()[:6])
            mend = "the overlay kserve is for clusters with KServe 0.13 or newer" if kserve.KIND in said else ""
            raise Refusal(
                f"the cluster does not take it, and nothing was changed: {said[:800]}",
                where=f"context {kubectl.context}",
                mend=mend,
            ) from None
    return apply(kubectl, wholes, force)


def _tell(changes: Changes, there: list[dict[str, Any]], image: str) -> None:
    """Says what has changed."""
    progress(f"  {changes}")
    if not changes.made and not changes.changed:
        return
    for _, pod, _ in kubernetes_objects.pods_of(there):
        before = pod["containers"][0]["image"]
        progress(f"  image: {before} → {image}" if before != image else f"  changed: {', '.join(changes.changed)}")


def _reached(wholes: list[dict[str, Any]]) -> tuple[list[str], str]:
    """Lines that say at which addresses the Service answers, and its address on this machine."""
    (service,) = [thing for thing in wholes if thing["kind"] == "Service"]
    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
    address = service["metadata"].get("annotations", {}).get(ADDRESS)
    lines = [f"  in the cluster  http://{name}.{namespace}:{PORT}"]
    if not address:
        lines.append(f"  on this machine kubectl port-forward --namespace {namespace} service/{name} {PORT}:{PORT}")
    return lines, address or f"http://localhost:{PORT}"


def _asked(kubectl: Kubectl, to: str, port: int, namespace: str, here: str, key: bool) -> list[str]:
    """How the server is asked, once it has said at its Service that it is ready: lines of text."""
    left = _TRIES
    while True:
        left -= 1
        try:
            with forwarded(kubectl, to, port, to, namespace) as url:
                until_ready(url, lambda: "", patience=10)
                return [line.replace(url, here) for line in how_to_ask(url, key)]
        except (Refusal, OSError):
            if not left:
                raise
