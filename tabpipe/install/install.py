"""Puts Kubeflow Pipelines, MinIO and MLflow on a cluster; a second time it changes only what differs."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster import secrets
from tabpipe.cluster.client import NAMESPACE
from tabpipe.cluster.kubectl import Failed, Kubectl, check_version, current
from tabpipe.cluster.run_report import ADDRESS
from tabpipe.console import progress
from tabpipe.install import manifests
from tabpipe.install.access import check_permission, check_server
from tabpipe.install.apply import Changes, apply, key
from tabpipe.install.manifests import PLATFORM
from tabpipe.install.parts import WORKLOADS
from tabpipe.install.ready import wait


@dataclass
class Install:
    """What is installed, and where."""

    overlay: str = "cluster"
    """A folder of manifests/overlays."""
    registry: str = ""
    """Where MLflow's image is."""
    context: str = ""
    """Of the kubeconfig; the current one where it is empty."""
    kfp_manifests: Path | None = None
    """A copy of Kubeflow's manifests, for places without a network."""
    only: str = ""
    """`platform`: without Kubeflow."""
    namespace: str = NAMESPACE
    images: list[str] = field(default_factory=list)
    """`OLD=NEW`."""
    timeout: float = 900.0
    """Seconds that the parts have to become ready."""
    force: bool = False
    """Whether to take over fields that something else has set."""


def install(wanted: Install) -> int:
    """Installs, and waits until all is ready.

    Raises:
        Refusal: What is wrong with the cluster, the rights on it, or one of the parts.
    """
    if wanted.namespace != NAMESPACE and wanted.only != PLATFORM:
        raise Refusal(
            "Kubeflow's own manifests are written for one namespace",
            where="--namespace",
            value=wanted.namespace,
            rule=NAMESPACE,
            mend=f"--only {PLATFORM} can be installed to any",
        )
    check_version()
    kubectl = current(wanted.context)
    version = check_server(kubectl)
    progress(f"Installing to {kubectl.context} ({kubectl.server}, Kubernetes {version}), namespace {wanted.namespace}")
    first, objects = _objects(wanted)
    check_permission(kubectl, [*first, *objects], wanted.namespace)
    changes = apply(kubectl, first, wanted.force)
    _established(kubectl, first)
    names = [secrets.STORE, secrets.DATABASE, *([] if wanted.only else [secrets.KFP_DATABASE])]
    passwords = secrets.make(kubectl, wanted.namespace, names)
    changes += apply(kubectl, objects, wanted.force)
    _tell(changes, passwords)
    workloads = [key(thing) for thing in objects if thing["kind"] in WORKLOADS]
    seconds = wait(kubectl, wanted.namespace, workloads, sys.stderr, wanted.timeout)
    progress(f"All {len(workloads)} parts are ready ({seconds:.0f} s).")
    print("\n".join(addresses(objects, wanted.namespace)))
    return 0


def _objects(wanted: Install) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The objects that must be there first, the namespace and Kubeflow's kinds, and all others."""
    folder = manifests.staged(None if wanted.only else wanted.kfp_manifests)
    overlay = manifests.overlay(folder, wanted.overlay, wanted.only)
    first = manifests.render(folder / "namespace")
    if not wanted.only:
        first += manifests.render(folder / "kfp" / "cluster-scoped")
    objects = manifests.render(overlay)
    manifests.put_images(objects, manifests.replaced(wanted.images, wanted.registry))
    if wanted.namespace != NAMESPACE:
        manifests.put_namespace([*first, *objects], wanted.namespace)
    return first, objects


def _established(kubectl: Kubectl, objects: list[dict[str, Any]]) -> None:
    """Waits until the cluster knows the new kinds."""
    kinds = [f"crd/{thing['metadata']['name']}" for thing in objects if thing["kind"] == "CustomResourceDefinition"]
    if kinds:
        try:
            kubectl("wait", "--for=condition=Established", "--timeout=120s", *kinds)
        except Failed as error:
            raise Refusal(f"the cluster does not take Kubeflow's kinds: {error.said[-400:]}", where="crd") from None


def _tell(changes: Changes, passwords: list[str]) -> None:
    """Says what has changed."""
    if passwords:
        progress(f"  passwords made: {', '.join(passwords)}")
    progress(f"  {changes}")
    for name in changes.changed:
        progress(f"  changed: {name}")


def addresses(objects: list[dict[str, Any]], namespace: str) -> list[str]:
    """Where a person finds what was installed: lines of text."""
    lines = []
    names = {"ml-pipeline-ui": ("Kubeflow", "8080:80"), "mlflow": ("MLflow", "5050:5000"), "minio": ("MinIO", "9001")}
    services = {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == "Service"}
    for service, (title, ports) in names.items():
        if service in services:
            address = services[service]["metadata"].get("annotations", {}).get(ADDRESS)
            forward = f"kubectl port-forward --namespace {namespace} service/{service} {ports}"
            port = ports.partition(":")[0]
            lines.append(f"  {title:<9} {address or f'http://localhost:{port}  after  {forward}'}")
    if "minio" in services:
        lines.append(f"            its keys: kubectl get secret -n {namespace} {secrets.STORE} -o yaml  (base64)")
    return lines
