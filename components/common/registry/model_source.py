"""Where a model comes from: MLflow's registry, an artifact store, or a folder. Each can be looked at and brought."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from components.common.artifacts import Store, default_url, open_store
from components.common.base.artifact_ref import Ref
from components.common.base.errors import Refusal
from components.common.registry.mlflow_sync import DIGEST
from components.common.registry.model_ref import ModelRef, parse_model, refuse_no_model

_UNKNOWN = re.compile(r"registered model|model version", re.IGNORECASE)
_META = "registered_model_meta"
"""A file that MLflow adds to what it downloads."""


@dataclass(frozen=True)
class ModelVersion:
    """The version that a source means at present."""

    name: str
    version: str
    """`v3` of the artifact store, `3` of MLflow's registry; empty for a folder."""
    digest: str
    """Of the model's folder, as `digest_of` tells it; empty where that is known only when it was brought."""
    mark: str
    """Another one means that another version may be meant."""


class Source(Protocol):
    """A place that a model comes from."""

    def look(self) -> ModelVersion | None:
        """The version that is meant now; None where there certainly is none."""

    def bring(self, found: ModelVersion, target: Path) -> Path:
        """Copies a version below `target`, a folder that is there and empty; gives the model's folder."""


def source_of(model: ModelRef | str) -> Source:
    """Opens a source. Nothing is asked yet.

    Args:
        model: An address, or its text.

    Raises:
        Refusal: It is no address of a model, or the variable that says where the registry is is not set.
    """
    ref = parse_model(model) if isinstance(model, str) else model
    if ref.place == "registry":
        return Registry(ref)
    return Stored(ref) if ref.place == "store" else Folder(Path(ref.name))


def home_of(text: str) -> str:
    """What a source's name is relative to: the same name elsewhere is another model."""
    ref = parse_model(text)
    if ref.place == "registry":
        return os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    return default_url() if ref.place == "store" else ref.name


class Registry:
    """A registered model in MLflow's registry.

    Args:
        ref: Its address.
    """

    def __init__(self, ref: ModelRef):
        if not (os.environ.get("MLFLOW_TRACKING_URI") or os.environ.get("MLFLOW_REGISTRY_URI")):
            # Else MLflow would make a database in the present folder.
            raise Refusal(
                "not set",
                where="MLFLOW_TRACKING_URI",
                rule="models:/… is looked up in the registry that it names",
                mend="for instance http://mlflow:5000",
            )
        self._ref = ref
        self._kept: Any = None

    def look(self) -> ModelVersion | None:
        """Asks the registry."""
        from mlflow.exceptions import MlflowException

        try:
            client = self._client()
            asked = client.get_model_version if self._ref.numbered else client.get_model_version_by_alias
            version = asked(self._ref.name, self._ref.which)
        except MlflowException as error:
            # Not any 404: one of a proxy whose server is away says nothing about the model.
            unknown = error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
            if unknown and "not found" in str(error) and _UNKNOWN.search(_said(error)):
                return None
            raise
        if version.status != "READY":
            raise Refusal(
                f"version {version.version} is not ready ({version.status})", where=f"models:/{self._ref.name}"
            )
        from components.common.base.artifact_ref import check_digest

        if digest := version.tags.get(DIGEST, ""):
            check_digest(digest, f"models:/{self._ref.name}/{version.version}, tag {DIGEST}")
        mark = f"{version.version} {version.creation_timestamp} {version.source}"
        return ModelVersion(self._ref.name, str(version.version), digest, mark)

    def bring(self, found: ModelVersion, target: Path) -> Path:
        """Downloads a version from the store of its run's artifacts, or through the tracking server."""
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.runs_artifact_repo import RunsArtifactRepository

        uri = self._client().get_model_version_download_uri(found.name, found.version)
        try:
            came = _downloaded(uri, target)
        except MlflowException:
            if not uri.startswith("runs:"):
                raise
            # For runs:/ MLflow keeps to itself what went wrong. The place that it means says it.
            came = _downloaded(RunsArtifactRepository.get_underlying_uri(uri), target)
        if not found.digest:
            (came / _META).unlink(missing_ok=True)
        return came

    def _client(self) -> Any:
        if self._kept is None:
            from mlflow import MlflowClient

            self._kept = MlflowClient()
        return self._kept


def _said(error: Any) -> str:
    """What the registry itself says, without the address that was asked, which names registered models too."""
    told = getattr(error, "json", None)
    return str(told.get("message", "")) if isinstance(told, dict) else getattr(error, "message", "")


def _downloaded(uri: str, target: Path) -> Path:
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(artifact_uri=uri, dst_path=str(target)))


class Stored:
    """A model in an artifact store.

    Args:
        ref: Its address.
        store: Where; the store of TABPIPE_ARTIFACTS by default.
    """

    def __init__(self, ref: ModelRef, store: Store | None = None):
        self._ref, self._kept = Ref(ref.name, ref.which), store

    def look(self) -> ModelVersion | None:
        """Asks the store."""
        store, ref = self._store(), self._ref
        if store.place.read("store.json") is None:
            # A folder that is not mounted looks like one in which nothing is.
            raise Refusal("there is no artifact store", where=store.place.shown, mend="check TABPIPE_ARTIFACTS")
        if ref.number is None and not ref.digest and ref.what not in store.aliases(ref.name):
            return None
        version = store.resolve(str(ref))
        refuse_no_model(version)
        name = version.name.removesuffix(".model")
        return ModelVersion(name, f"v{version.number}", version.digest, f"{version.ref} {version.digest}")

    def bring(self, found: ModelVersion, target: Path) -> Path:
        """Copies a version out of the store, which compares each file with its digest."""
        return self._store().get(f"{self._ref.name}:{found.version}", target / "model")

    def _store(self) -> Store:
        self._kept = self._kept or open_store()
        return self._kept


class Folder:
    """A model's folder on this machine, which may be written anew.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path):
        self._path = path.expanduser().absolute()

    def look(self) -> ModelVersion | None:
        """Looks at the names, sizes and times of its files."""
        if not self._path.exists():
            return None
        if not (self._path / "MLmodel").is_file():
            raise Refusal(
                "no saved model", where=str(self._path), rule="a folder in MLflow's format, with a file MLmodel"
            )
        top = self._path.resolve()
        states = []
        for path in sorted(top.rglob("*")):
            state = path.lstat()
            states.append(f"{path.relative_to(top)} {state.st_size} {state.st_mtime_ns} {state.st_ino}")
        return ModelVersion(self._path.name, "", "", "\n".join([str(top), *states]))

    def bring(self, found: ModelVersion, target: Path) -> Path:
        """Copies the folder; refuses one that was written to meanwhile."""
        came = target / "model"
        try:
            shutil.copytree(self._path.resolve(), came)
        except (shutil.Error, FileNotFoundError):
            raise _changing(self._path) from None
        now = self.look()
        if now is None or now.mark != found.mark:
            raise _changing(self._path)
        return came


def _changing(path: Path) -> Refusal:
    return Refusal("the folder is being written to", where=str(path), mend="nothing: it is looked at again soon")
