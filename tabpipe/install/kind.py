"""A cluster on this machine: kind, with a registry beside it, as kind's own documentation has it."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.kubectl import Kubectl, check_version, lacking
from tabpipe.console import progress
from tabpipe.install.install import Install, install
from tabpipe.project import ROOT

NAME = "tabpipe"
"""The cluster; its context is `kind-tabpipe`."""
REGISTRY, PORT = "tabpipe-registry", 5001
"""The container of the registry, and its port on 127.0.0.1."""
ADDRESS = f"localhost:{PORT}"
"""The registry, as images' names have it, here and in the cluster."""
_IMAGE = "registry:2"


def up() -> int:
    """Makes the cluster where there is none, puts the images and the install on it, and says where all is found.

    Raises:
        Refusal: A program lacks, the Docker engine does not answer, or a part does not start.
    """
    from tabpipe.compile.build_images import build, engine

    check_programs()
    client = engine()
    _registry(client)
    if NAME not in _kind("get", "clusters").split():
        progress(f"making the kind cluster {NAME} (some minutes)")
        config = str(ROOT / "kind-cluster.yaml")
        _kind("create", "cluster", "--name", NAME, "--config", config, "--wait", "180s", show=True)
    _connect(client)
    build(registry=ADDRESS, push=True)
    return install(Install(overlay="kind", registry=ADDRESS, context=f"kind-{NAME}"))


def down() -> int:
    """Deletes the cluster with all data in it. The registry stays: what it holds need not be pushed again."""
    check_programs()
    if NAME not in _kind("get", "clusters").split():
        progress(f"there is no kind cluster {NAME}")
        return 0
    progress(f"deleting the kind cluster {NAME}, with its runs, models and databases")
    _kind("delete", "cluster", "--name", NAME, show=True)
    progress(f"the registry's images are kept; docker rm --force --volumes {REGISTRY} removes them")
    return 0


def check_programs() -> None:
    """Checks that the programs are there that a cluster on this machine needs.

    Raises:
        Refusal: One lacks, or is too old.
    """
    if not shutil.which("kind"):
        raise Refusal(
            "there is no kind on this machine",
            where="PATH",
            mend="https://kind.sigs.k8s.io/docs/user/quick-start/#installation says how to get it; "
            "for a cluster that is there already: make install",
        )
    if not shutil.which("kubectl"):
        raise lacking()
    check_version()


def _registry(client: Any) -> None:
    """Starts the registry where it does not run."""
    import docker

    try:
        container = client.containers.get(REGISTRY)
    except docker.errors.NotFound:
        progress(f"starting the registry {ADDRESS}")
        try:
            client.containers.run(
                _IMAGE,
                name=REGISTRY,
                detach=True,
                restart_policy={"Name": "always"},
                ports={"5000/tcp": ("127.0.0.1", PORT)},
            )
        except docker.errors.APIError as error:
            raise Refusal(
                f"the registry does not start: {error.explanation or error}",
                where=f"127.0.0.1:{PORT}",
                mend="is the port taken, or Docker Hub out of reach?",
            ) from None
        return
    if container.status != "running":
        container.start()


def _connect(client: Any) -> None:
    """Makes the registry known to the nodes, and to tools that look for it in the cluster."""
    import docker

    network = client.networks.get("kind")
    if REGISTRY not in {container.name for container in network.containers}:
        network.connect(REGISTRY)
    hosts = f'[host."http://{REGISTRY}:5000"]\n'
    folder = f"/etc/containerd/certs.d/{ADDRESS}"
    for name in _kind("get", "nodes", "--name", NAME).split():
        try:
            node = client.containers.get(name)
        except docker.errors.NotFound:
            raise Refusal("a node of the cluster is gone", where=name, mend="make cluster-down cluster") from None
        command = ["sh", "-c", f"mkdir -p {folder} && printf '%s' '{hosts}' > {folder}/hosts.toml"]
        done = node.exec_run(command)
        if done.exit_code:
            raise Refusal(f"the registry could not be made known: {done.output.decode(errors='replace')}", where=name)
    told = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "local-registry-hosting", "namespace": "kube-public"},
        "data": {
            "localRegistryHosting.v1": f'host: "{ADDRESS}"\nhelp: "https://kind.sigs.k8s.io/docs/user/local-registry/"\n'
        },
    }
    kubectl = Kubectl(f"kind-{NAME}")
    kubectl("apply", "--server-side", "--field-manager=tabpipe", "--filename", "-", stdin=json.dumps(told))


def _kind(*arguments: str, show: bool = False) -> str:
    """Runs kind; returns what it printed, or shows it as it comes."""
    pipe = None if show else subprocess.PIPE
    done = subprocess.run(["kind", *arguments], stdout=pipe, stderr=pipe, text=True)
    if done.returncode:
        said = "" if show else (done.stderr or "").strip()[-600:]
        raise Refusal(
            f"kind {' '.join(arguments[:2])} fails" + (f": {said}" if said else ", for the reason above"),
            where=f"kind cluster {NAME}",
            mend="kind's known issues: https://kind.sigs.k8s.io/docs/user/known-issues/",
        )
    return done.stdout or ""
