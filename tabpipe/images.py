"""Image names by content: a step's tag is the digest of all that its image is built from.

Caches, kfp.local's and Kubeflow's alike, are keyed by the image name. With a tag by content they are exact: a changed
step reruns, an unchanged one does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
"""The project: the folder that holds components/, config/ and requirements/."""

_NOT_IN_IMAGE = {"tests", "__pycache__"}


def image_of(step: str, root: Path = ROOT) -> str:
    """The name of a step's image: `tabpipe/STEP:` and 16 hex digits of the digest of its contents.

    Args:
        step: The step's name, which is its folder's.
        root: The project.
    """
    digest = hashlib.sha256()
    for path in _built_from(step, root):
        digest.update(str(path.relative_to(root)).encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"tabpipe/{step}:{digest.hexdigest()[:16]}"


def _built_from(step: str, root: Path) -> Iterator[Path]:
    """The files that a step's image holds: its folder, what all steps share, and the lock of packages."""
    yield root / "requirements" / "run.lock"
    yield root / "components" / "__init__.py"
    for folder in (root / "components" / "common", root / "components" / step):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".md", ".pyc") or _NOT_IN_IMAGE.intersection(path.relative_to(folder).parts):
                continue
            if path.is_file() and not path.name.startswith("."):
                yield path


def stamp_images(spec: Any, root: Path = ROOT) -> dict[str, str]:
    """Puts the tags by content into a compiled pipeline.

    Args:
        spec: The PipelineSpec message; changed in place.
        root: The project.

    Returns:
        Step to image name.
    """
    images = {}
    for executor in spec.deployment_spec["executors"].values():
        container = executor["container"]
        step = str(container["image"]).removeprefix("tabpipe/")
        images[step] = image_of(step, root)
        container["image"] = images[step]
    return images
