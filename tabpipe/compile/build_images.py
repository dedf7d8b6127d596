"""Builds images with a Docker engine: those that changed, in parallel, each from the files that it needs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.base.redact import redact
from tabpipe.compile.images import (
    BASE,
    MLFLOW,
    SERVER,
    dockerfile_of,
    estimator_lock,
    files_of,
    image_of,
    image_of_folder,
    sources_in,
)
from tabpipe.environment import PROXIES
from tabpipe.project import ROOT
from tabpipe.steps import steps

_PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", *PROXIES)
"""Variables that the stage which installs packages gets; none of them is part of the image."""


@dataclass
class Built:
    """An image that is there now."""

    step: str
    name: str
    size: int
    """Bytes, all layers."""
    seconds: float
    """How long it took; 0 where it was there before."""


def engine() -> Any:
    """A client of the Docker engine.

    Raises:
        Refusal: None answers.
    """
    import docker

    try:
        client = docker.from_env(timeout=600)
        client.ping()
        return client
    except docker.errors.DockerException as error:
        raise Refusal(
            f"no Docker engine answers ({error})",
            where=os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"),
            mend="start Docker (on Debian: apt install docker.io), be in the group docker, or name it by DOCKER_HOST",
        ) from None


def build(
    names: Iterable[str] | None = None, *, registry: str = "", push: bool = False, root: Path = ROOT, model: str = ""
) -> list[Built]:
    """Builds images, and the base that they stand on; says how far it is on stderr.

    Args:
        names: Steps, `server` or `mlflow`; by default all of them.
        registry: What stands before the names, for instance `localhost:5001`.
        push: Whether to push them.
        root: The project that has their folders.
        model: `train.model` of the config that they are for, as of `image_of`.

    Returns:
        The base, then those that were asked for.

    Raises:
        Refusal: No engine, or an image that does not build; the last lines of its log are in the message.
    """
    client = engine()
    revision = _revision()
    python = {"BASE_IMAGE": os.environ.get("BASE_IMAGE", "python:3.11-slim")}

    def one(name: str, arguments: dict[str, str]) -> Built:
        dockerfile, lock = dockerfile_of(name, root), estimator_lock(name, model, root)
        context = _context({dockerfile, *files_of(BASE, root), *files_of(name, root), *lock}, root)
        where = str(dockerfile.relative_to(root))
        arguments = {**arguments, "ESTIMATOR": model} if lock else arguments
        return _build_one(client, name, image_of(name, root, registry, model), where, context, arguments, revision)

    base = one(BASE, python)
    names = [*steps(root), SERVER, MLFLOW] if names is None else names
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 2) as pool:
        built = list(pool.map(lambda name: one(name, {"BASE": base.name, "STEP": name, **python}), names))
    if push:
        for image in [base, *built]:
            _push(client, image.name)
    return [base, *built]


def build_folder(folder: Path, *, registry: str = "", push: bool = False) -> Built:
    """Builds an image that does not stand on the base, from the Dockerfile in its folder and what lies beside that.

    Args:
        folder: The folder, whose name is the image's.
        registry: What stands before the image's name.
        push: Whether to push it.

    Raises:
        Refusal: As of `build`.
    """
    client = engine()
    name = image_of_folder(folder, registry)
    arguments = {"BASE_IMAGE": os.environ["BASE_IMAGE"]} if os.environ.get("BASE_IMAGE") else {}
    context = _context(sources_in(folder), folder)
    built = _build_one(client, folder.name, name, "Dockerfile", context, arguments, _revision())
    if push:
        _push(client, built.name)
    return built


def _build_one(
    client: Any, step: str, name: str, dockerfile: str, context: io.BytesIO, arguments: dict[str, str], revision: str
) -> Built:
    import docker

    try:
        return Built(step, name, client.images.get(name).attrs["Size"], 0.0)
    except docker.errors.ImageNotFound:
        pass
    started = time.monotonic()
    print(f"  {step:<12}building {name}", file=sys.stderr, flush=True)
    arguments = {**arguments, **{key: os.environ[key] for key in _PASSED_ON if os.environ.get(key)}}
    labels = {
        "org.opencontainers.image.source": _source(),
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.licenses": "Apache-2.0",
        "org.opencontainers.image.title": f"tabpipe {step}",
    }
    lines: list[str] = []
    for event in client.api.build(
        fileobj=context,
        custom_context=True,
        dockerfile=dockerfile,
        tag=name,
        rm=True,
        forcerm=True,
        buildargs=arguments,
        labels=labels,
        decode=True,
        network_mode="host",
    ):
        lines += (event.get("stream") or event.get("error") or "").splitlines()
        if "error" in event:
            tail = "\n    ".join(line for line in lines[-12:] if line.strip())
            raise Refusal(f"the image does not build\n    {tail}", where=dockerfile)
    seconds = time.monotonic() - started
    print(f"  {step:<12}built in {seconds:.1f} s", file=sys.stderr, flush=True)
    return Built(step, name, client.images.get(name).attrs["Size"], seconds)


def _context(files: Iterable[Path], root: Path) -> io.BytesIO:
    """The files that an image is built from, as a tar archive with no trace of time or owner."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(files):
            _add(tar, str(path.relative_to(root)), path.read_bytes())
        certificates = os.environ.get("EXTRA_CA")
        _add(tar, "certificates.pem", Path(certificates).read_bytes() if certificates else b"")
    archive.seek(0)
    return archive


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))


def _push(client: Any, name: str) -> None:
    print(f"  pushing {name}", file=sys.stderr, flush=True)
    for event in client.images.push(name, stream=True, decode=True):
        if "error" in event:
            raise Refusal(
                f"the image could not be pushed: {event['error']}",
                where=name,
                mend="is the registry right, and are you logged in to it?",
            )


def _source() -> str:
    """Where the project's code is: the address of its git remote, without what it may hold of secrets."""
    command = ["git", "-C", str(ROOT), "config", "--get", "remote.origin.url"]
    try:
        return redact(subprocess.run(command, capture_output=True, text=True).stdout.strip()) or "unknown"
    except OSError:
        return "unknown"


def _revision() -> str:
    from tabpipe.project import commit

    return commit() or "unknown"


def sizes(built: list[Built], client: Any) -> list[str]:
    """A table of images: the size of each, what it adds to the one that it stands on, and what all take together."""
    python = client.images.get(os.environ.get("BASE_IMAGE", "python:3.11-slim")).attrs["Size"]
    base = built[0].size
    added = [image.size - (python if image.step == BASE else base) for image in built]
    lines = [f"  {'image':<42}{'MB':>7}{'added':>8}{'seconds':>9}"]
    for image, own in zip(built, added, strict=True):
        lines.append(f"  {image.name:<42}{image.size / 1e6:>7.0f}{own / 1e6:>8.0f}{image.seconds:>9.1f}")
    return [*lines, f"  {'together, each layer once':<42}{(python + sum(added)) / 1e6:>7.0f}"]
