"""The objects of an install, rendered by kustomize from manifests/."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, nearest
from tabpipe.cluster import kubectl
from tabpipe.compile.images import MLFLOW, image_of
from tabpipe.project import ROOT

PLATFORM = "platform"
"""The part that is ours: the object store, MLflow, its database."""
_REMOTE = {"kfp/upstream": "env/platform-agnostic", "kfp/cluster-scoped/upstream": "cluster-scoped-resources"}
"""Folders whose kustomization names Kubeflow's manifests, and what of those it names."""


def render(folder: Path) -> list[dict[str, Any]]:
    """Runs kustomize on a folder.

    Raises:
        Refusal: It fails, for instance because Kubeflow's manifests cannot be fetched.
    """
    import yaml

    try:
        text = kubectl.run("kustomize", str(folder), where=str(folder), asks=False)
    except kubectl.Failed as error:
        fatal = error.said.rpartition("fatal: ")[2].strip()
        if "git fetch" in error.said or "git init" in error.said or "'git'" in error.said:
            raise Refusal(
                f"Kubeflow's manifests cannot be fetched: {fatal.splitlines()[0][-300:]}",
                where=str(folder),
                mend="are git and the network there? KFP_MANIFESTS=path names a copy of Kubeflow's manifests/kustomize",
            ) from None
        raise Refusal(f"kustomize fails: {error.said[-600:]}", where=str(folder)) from None
    return [thing for thing in yaml.load_all(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if thing]


def staged(kfp: Path | None, root: Path = ROOT, build: Path = Path("build/install")) -> Path:
    """The folder of manifests to install from.

    Args:
        kfp: A copy of Kubeflow's manifests/kustomize; None for the ones on the network.
        root: The project.
        build: Where a changed copy may lie.

    Returns:
        manifests/ itself, or a copy in which the remote addresses have become paths.

    Raises:
        Refusal: The copy is not one of Kubeflow's manifests.
    """
    if kfp is None:
        return root / "manifests"
    for part in _REMOTE.values():
        if not (kfp / part / "kustomization.yaml").is_file():
            raise Refusal(
                "this is no copy of Kubeflow's manifests",
                where="KFP_MANIFESTS",
                value=str(kfp),
                rule=f"a folder with {part}/kustomization.yaml",
                mend="name the folder manifests/kustomize of github.com/kubeflow/pipelines at 2.17.0",
            )
    shutil.rmtree(build, ignore_errors=True)
    copy = shutil.copytree(root / "manifests", build / "manifests")
    for folder, part in _REMOTE.items():
        kustomization = copy / folder / "kustomization.yaml"
        # kustomize accepts relative paths only
        path = os.path.relpath((kfp / part).resolve(), kustomization.parent.resolve())
        lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources:", f"- {path}"]
        kustomization.write_text("\n".join(lines) + "\n")
    return copy


def overlay(manifests: Path, name: str, only: str) -> Path:
    """The folder of an overlay.

    Raises:
        Refusal: There is none of this name.
    """
    overlays = manifests / "overlays"
    known = [path.parent.name for path in overlays.glob("*/kustomization.yaml")]
    if name not in known:
        raise Refusal(f"there is no overlay {name!r}", where="manifests/overlays", mend=nearest(name, known))
    folder = overlays / name / only
    if not (folder / "kustomization.yaml").is_file():
        raise Refusal(f"the overlay {name} has no part {only!r}", where=str(folder), rule="a kustomization.yaml")
    return folder


def replaced(images: list[str], registry: str) -> dict[str, str]:
    """Which image takes the place of which, MLflow's included.

    Args:
        images: `OLD=NEW`, both without or with a tag.
        registry: What stands before the name of MLflow's image.

    Raises:
        Refusal: One is written otherwise.
    """
    found = {"tabpipe/mlflow": image_of(MLFLOW, registry=registry)}
    for text in images:
        old, equals, new = text.partition("=")
        if not (old and equals and new):
            raise Refusal(
                "an image is replaced by another",
                where="--image",
                value=text,
                rule="OLD=NEW",
                mend="for instance quay.io/minio/minio=registry.example/minio:RELEASE.2025-09-07T16-13-09Z",
            )
        found[old] = new
    return found


def put_images(objects: list[dict[str, Any]], images: dict[str, str]) -> None:
    """Replaces images: in containers, and in the variables and arguments that name the images of pipelines' pods.

    Args:
        objects: What kustomize rendered; changed in place.
        images: Old to new. Where the old one has no tag, it stands for each; a new one without a tag keeps it.
    """

    def new(image: str) -> str:
        name, tag = split(image)
        wanted = images.get(image) or images.get(name)
        return image if not wanted else wanted if split(wanted)[1] else wanted + tag

    for container in containers(objects):
        container["image"] = new(container["image"])
        for variable in container.get("env", []):
            if "value" in variable:
                variable["value"] = new(variable["value"])
        if "args" in container:
            container["args"] = [new(argument) for argument in container["args"]]


def split(image: str) -> tuple[str, str]:
    """An image's name, and what follows it: `:TAG`, `@DIGEST`, both or nothing."""
    end = min(place for place in (image.find("@"), image.find(":", image.rfind("/") + 1), len(image)) if place >= 0)
    return image[:end], image[end:]


def pod_specs(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The pod of each workload."""
    for thing in objects:
        template = thing.get("spec", {}).get("template") if isinstance(thing.get("spec"), dict) else None
        if isinstance(template, dict) and "containers" in template.get("spec", {}):
            yield template["spec"]


def containers(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The containers of all workloads, initial ones included."""
    for pod in pod_specs(objects):
        yield from [*pod.get("initContainers", []), *pod["containers"]]


def put_namespace(objects: list[dict[str, Any]], namespace: str) -> None:
    """Puts namespaced objects into another namespace, in place."""
    for thing in objects:
        if thing["kind"] == "Namespace":
            thing["metadata"]["name"] = namespace
        elif "namespace" in thing["metadata"]:
            thing["metadata"]["namespace"] = namespace
