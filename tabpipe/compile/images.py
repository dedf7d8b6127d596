"""Image names by content: a step's tag is the digest of all that its image is built from.

That is its own files and those that they can import, no others: a change reruns the steps that it can concern.

Caches, kfp.local's and Kubeflow's alike, are keyed by the image name. With a tag by content they are exact: a changed
step reruns, an unchanged one does not.
"""

from __future__ import annotations

import functools
import hashlib
import os
from pathlib import Path
from typing import Any

from components.common.config.estimators import packages_of
from tabpipe.compile.imports import digest_of, reached
from tabpipe.project import ROOT
from tabpipe.steps import FILE, steps

BASE = "base"
"""The image that all steps stand on: Python and the packages that they share, no code."""
SERVER = "server"
"""The image that answers requests."""
MLFLOW = "mlflow"
"""The image of MLflow's server."""

_NOT_CODE = (".md", ".pyc", ".in", ".txt", ".swp", ".orig", ".rej")
_NOT_IN_IMAGE = {"tests", "__pycache__", FILE}


def image_of(step: str, root: Path = ROOT, registry: str = "", model: str = "") -> str:
    """The name of an image: `tabpipe/STEP:` and 16 hex digits of the digest of its contents.

    Args:
        step: The step's name, which is its folder's; or `base`, `server` or `mlflow`.
        root: The project.
        registry: What stands before the name, for instance `localhost:5001`.
        model: `train.model` of the config: where that is of another library than scikit-learn, an image in which models
            are loaded holds that library too.
    """
    own = _digests(estimator_lock(step, model, root), root)
    return _named(step, {**_contents(BASE, root), **_contents(step, root), **own}, registry)


def estimator_lock(step: str, model: str, root: Path = ROOT) -> list[Path]:
    """The lock of what an image holds for the estimator of a config; none where that is scikit-learn's."""
    loads = step == SERVER or (step in steps(root) and steps(root)[step].estimator)
    return [root / "requirements" / f"{model}.lock"] if loads and packages_of(model) else []


def image_of_folder(folder: Path, registry: str = "") -> str:
    """The name of an image that does not stand on the base: its folder's name, and the digest of what is in it."""
    # Not the digests that are kept: such a folder is the user's, who may change it while this process runs.
    found = {str(path.relative_to(folder)): digest_of.__wrapped__(str(path)) for path in sources_in(folder)}
    return _named(folder.name, found, registry)


def _named(name: str, contents: dict[str, bytes], registry: str) -> str:
    digest = hashlib.sha256(os.environ.get("BASE_IMAGE", "").encode())
    for path, content in sorted(contents.items()):
        digest.update(path.encode() + b"\0")
        digest.update(content)
    return f"{registry.rstrip('/') + '/' if registry else ''}tabpipe/{name}:{digest.hexdigest()[:16]}"


@functools.cache  # every step stands on the base, and a run asks for each name twice
def _contents(step: str, root: Path) -> dict[str, bytes]:
    """Each file that an image is built from, by its path in the project, to the digest of its bytes."""
    return _digests([dockerfile_of(step, root), *files_of(step, root)], root)


def _digests(files: list[Path], root: Path) -> dict[str, bytes]:
    start = len(str(root)) + 1
    return {text[start:]: digest_of(text) for text in map(str, files)}


@functools.cache
def files_of(step: str, root: Path = ROOT) -> list[Path]:
    """The files that an image is built from, on top of the base: its folder's, and what these can import."""
    images = root / "images"
    if step in (BASE, MLFLOW):
        return sources_in(images / step)
    if step == SERVER:
        return reached(sources_in(images / SERVER), root)
    named = steps(root)[step].files if step in steps(root) else ()
    own = sources_in(root / "components" / step)
    return reached([root / "components" / "__init__.py", *own, *(root / name for name in named)], root)


def dockerfile_of(step: str, root: Path = ROOT) -> Path:
    """The Dockerfile of an image: that in its folder, or else the one that all steps have in common."""
    if step in (BASE, SERVER, MLFLOW):
        return root / "images" / step / "Dockerfile"
    own = root / "components" / step / "Dockerfile"
    return own if own.is_file() else root / "images" / "step" / "Dockerfile"


def sources_in(folder: Path) -> list[Path]:
    """The files of a folder without its tests, its README and what Python leaves there."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.suffix not in _NOT_CODE
        and not path.name.endswith("~")
        and not any(part in _NOT_IN_IMAGE or part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def stamp_images(spec: Any, root: Path = ROOT, registry: str = "", model: str = "") -> dict[str, str]:
    """Puts the tags by content into a compiled pipeline.

    Args:
        spec: The PipelineSpec message; changed in place.
        root: The project.
        registry: What stands before the images' names.
        model: `train.model` of the config, as of `image_of`.

    Returns:
        Step to image name.
    """
    images = {}
    for executor in spec.deployment_spec["executors"].values():
        container = executor["container"]
        step = str(container["image"]).removeprefix("tabpipe/")
        images[step] = image_of(step, root, registry, model)
        container["image"] = images[step]
    return images
