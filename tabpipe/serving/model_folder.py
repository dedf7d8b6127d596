"""Which model is meant, and its folder on this machine."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from components.common.artifacts import Store, Version, digest_of, open_store
from components.common.base.artifact_ref import check_digest
from components.common.base.errors import Refusal
from components.common.base.redact import redact
from components.common.registry import CHAMPION, model_name
from components.common.registry.mlflow_sync import DIGEST
from components.common.registry.model_ref import version_of
from tabpipe.models.registered import cause_of, registered
from tabpipe.project import usable_home
from tabpipe.tracking.mlflow_store import tracking_uri

_ARTIFACT, _REGISTRY = "artifact://", "models:/"
_CACHED = 5
"""Models that are kept in the cache."""
_NAMED = re.compile(r"([^@:/\\]+)(?:@([^@:/\\]+))?")


@dataclass(frozen=True)
class Found:
    """A model on this machine."""

    folder: Path
    name: str
    version: str
    """`v3`; `3` of MLflow's registry; the start of its digest where it is a folder."""


def find_model(ref: str, store_url: str | None = None) -> Found:
    """Finds a model and brings its folder here, unless it is here already.

    Args:
        ref: USE_CASE, USE_CASE@ALIAS, USE_CASE@v3, artifact://NAME:ALIAS, models:/NAME@ALIAS, models:/NAME/3, or a
            folder.
        store_url: The artifact store; the one that the environment names by default.

    Raises:
        Refusal: There is no such model, or where it is cannot be reached.
    """
    if ref.startswith(_REGISTRY):
        return _registered(ref)
    if (Path(ref) / "MLmodel").is_file() or os.sep in ref.removeprefix(_ARTIFACT).removeprefix(_REGISTRY):
        return _folder(ref)
    store = open_store(store_url)
    if ref.startswith(_ARTIFACT):
        name = ref.removeprefix(_ARTIFACT)
        return _stored(store, store.resolve(name if ":" in name else f"{name}:{CHAMPION}"))
    match = _NAMED.fullmatch(ref)
    if not match:
        raise Refusal(
            "this names no model",
            where="--model",
            value=ref,
            rule="USE_CASE, USE_CASE@champion, USE_CASE@v3, artifact://NAME:ALIAS, models:/NAME@ALIAS or a folder",
        )
    return _stored(store, version_of(store, match[1], match[2] or CHAMPION))


def _stored(store: Store, version: Version) -> Found:
    """A version of the artifact store, brought into the cache once, where its bytes are verified."""
    if version.kind != "folder":
        raise Refusal("this is no model", where=version.ref, rule="a folder in MLflow's format")
    cache = usable_home() / "store" / "models"
    folder = cache / version.digest
    if not folder.is_dir():
        try:
            store.get(version.ref, folder)
        except Refusal:
            if not folder.is_dir():  # else another process has brought it meanwhile
                raise
    with suppress(OSError):
        os.utime(folder)
        _forget_old(cache)
    return Found(folder, version.name.removesuffix(model_name("")), f"v{version.number}")


def _forget_old(cache: Path) -> None:
    """Leaves the models that were asked for last."""
    folders = sorted((path for path in cache.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime)
    for old in folders[:-_CACHED]:
        shutil.rmtree(old, ignore_errors=True)


def _folder(ref: str) -> Found:
    folder = Path(ref)
    if not (folder / "MLmodel").is_file():
        raise Refusal("no saved model", where=ref, rule="a folder in MLflow's format, with a file MLmodel")
    return Found(folder, folder.resolve().name, digest_of(folder)[:12])


def _registered(ref: str) -> Found:
    """A version of MLflow's registry: `models:/NAME@ALIAS` or `models:/NAME/VERSION`."""
    asked, registry = registered(ref), tracking_uri()
    found = asked.version(registry)
    if found is None:
        raise Refusal(
            "MLflow has no such model",
            where=redact(registry),
            value=ref,
            mend=f"tabpipe models list {asked.name} shows those that are there",
        )
    name, digest = asked.name, found.tags.get(DIGEST, "")
    if digest:
        check_digest(digest, f"{ref}, tag {DIGEST}")
    cache = usable_home() / "store" / "models"
    folder = cache / (digest or f"{name}-{found.version}-{found.creation_timestamp}")
    if not folder.is_dir():
        _download(f"models:/{name}/{found.version}", folder, digest)
    with suppress(OSError):
        os.utime(folder)
        _forget_old(folder.parent)
    return Found(folder, name, str(found.version))


def _download(uri: str, folder: Path, digest: str) -> None:
    """Brings a model of MLflow's registry: whole or not at all, and verified if its digest is known."""
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as scratch:
        try:
            brought = Path(download_artifacts(artifact_uri=uri, dst_path=scratch))
        except (MlflowException, RequestException) as error:
            raise Refusal(f"MLflow does not give the model: {cause_of(error)}", where=uri) from None
        (brought / "registered_model_meta").unlink(missing_ok=True)  # MLflow's own, and no part of the model
        if digest and digest_of(brought) != digest:
            raise Refusal("MLflow gave other bytes than were registered", where=uri, rule=f"digest {digest}")
        target = Path(scratch) / "whole"
        shutil.copytree(brought, target)
        with suppress(OSError):  # another process has brought it meanwhile
            target.rename(folder)
