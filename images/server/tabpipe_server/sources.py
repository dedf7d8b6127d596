"""Where a model comes from: MLflow's registry, an artifact store, or a folder. Each can be looked at and brought."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from components.common.base.errors import Refusal

_REGISTERED = re.compile(r"models:/+(?P<name>[^/@:]+)(@(?P<alias>[^/@]+)|/(?P<number>[0-9]+))")
_FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, artifact://NAME.model:ALIAS or a folder"
_UNKNOWN = re.compile(r"registered model|model version", re.IGNORECASE)
_META = "registered_model_meta"
"""A file that MLflow adds to what it downloads."""


@dataclass(frozen=True)
class Found:
    """The version that a source means at present."""

    name: str
    version: str
    digest: str
    """Of the model's folder, as `digest_of` tells it; empty where that is known only when it was brought."""
    mark: str
    """Another one means that another version may be meant."""


class Source(Protocol):
    """A place that a model comes from."""

    def look(self) -> Found | None:
        """The version that is meant now; None where there certainly is none."""

    def bring(self, found: Found, target: Path) -> Path:
        """Copies a version below `target`, a folder that is there and empty; gives the model's folder."""


def source_of(text: str) -> Source:
    """Opens a source. Nothing is asked yet.

    Args:
        text: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `artifact://NAME:ALIAS` or a folder.

    Raises:
        Refusal: It is none of these, or the variable that says where the registry is is not set.
    """
    if text.startswith("models:"):
        match = _REGISTERED.fullmatch(text)
        if match is None:
            raise Refusal(
                "not a model of a registry", value=text, rule=_FORMS, mend="for instance models:/iris@champion"
            )
        return Registry(match["name"], match["alias"], match["number"])
    if text.startswith("artifact:"):
        return Stored(text)
    if "://" in text and not text.startswith("file://"):
        raise Refusal("models do not come from there", value=text.partition("://")[0], rule=_FORMS)
    return Folder(Path(text.removeprefix("file://")))


def home_of(text: str) -> str:
    """What a source's name is relative to: the same name elsewhere is another model."""
    if text.startswith("models:"):
        return os.environ.get("MLFLOW_REGISTRY_URI") or os.environ.get("MLFLOW_TRACKING_URI") or ""
    if text.startswith("artifact:"):
        from components.common.artifacts import default_url

        return default_url()
    return str(Path(text.removeprefix("file://")).absolute())


class Registry:
    """A registered model in MLflow's registry.

    Args:
        name: Of the registered model.
        alias: Of the version.
        number: Of the version, where no alias is given.
    """

    def __init__(self, name: str, alias: str | None, number: str | None):
        if not (os.environ.get("MLFLOW_TRACKING_URI") or os.environ.get("MLFLOW_REGISTRY_URI")):
            # Else MLflow would make a database in the present folder.
            raise Refusal(
                "not set",
                where="MLFLOW_TRACKING_URI",
                rule="models:/… is looked up in the registry that it names",
                mend="for instance http://mlflow:5000",
            )
        self._name, self._alias, self._number = name, alias, number
        self._kept: Any = None

    def look(self) -> Found | None:
        """Asks the registry."""
        from mlflow.exceptions import MlflowException

        try:
            if self._alias:
                version = self._client().get_model_version_by_alias(self._name, self._alias)
            else:
                version = self._client().get_model_version(self._name, self._number)
        except MlflowException as error:
            # Not any 404: one of a proxy whose server is away says nothing about the model.
            unknown = error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
            if unknown and "not found" in str(error) and _UNKNOWN.search(_said(error)):
                return None
            raise
        if version.status != "READY":
            raise Refusal(f"version {version.version} is not ready ({version.status})", where=f"models:/{self._name}")
        from components.common.base.artifact_ref import check_digest
        from components.common.registry.mlflow_sync import DIGEST

        if digest := version.tags.get(DIGEST, ""):
            check_digest(digest, f"models:/{self._name}/{version.version}, tag {DIGEST}")
        mark = f"{version.version} {version.creation_timestamp} {version.source}"
        return Found(self._name, str(version.version), digest, mark)

    def bring(self, found: Found, target: Path) -> Path:
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
    """A model in an artifact store, the one of TABPIPE_ARTIFACTS.

    Args:
        text: `artifact://NAME:ALIAS`, or `:vN`, or the start of a digest.
    """

    def __init__(self, text: str):
        from components.common.artifacts import parse_ref
        from components.common.base.artifact_ref import SCHEME

        self._ref = parse_ref(text if text.startswith(SCHEME) else text.removeprefix("artifact:"))
        self._kept: Any = None

    def look(self) -> Found | None:
        """Asks the store."""
        store, ref = self._store(), self._ref
        if store.place.read("store.json") is None:
            # A folder that is not mounted looks like one in which nothing is.
            raise Refusal("there is no artifact store", where=store.place.shown, mend="check TABPIPE_ARTIFACTS")
        if ref.number is None and not ref.digest and ref.what not in store.aliases(ref.name):
            return None
        version = store.resolve(str(ref))
        if version.kind != "folder":
            raise Refusal("this artifact is a file, not a model's folder", where=version.ref)
        name = version.name.removesuffix(".model")
        return Found(name, f"v{version.number}", version.digest, f"{version.ref} {version.digest}")

    def bring(self, found: Found, target: Path) -> Path:
        """Copies a version out of the store, which compares each file with its digest."""
        return self._store().get(f"{self._ref.name}:{found.version}", target / "model")

    def _store(self) -> Any:
        if self._kept is None:
            from components.common.artifacts import open_store

            self._kept = open_store()
        return self._kept


class Folder:
    """A model's folder on this machine, which may be written anew.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path):
        self._path = path.expanduser().absolute()

    def look(self) -> Found | None:
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
        return Found(self._path.name, "", "", "\n".join([str(top), *states]))

    def bring(self, found: Found, target: Path) -> Path:
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
