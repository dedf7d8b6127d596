"""The model that is meant, and its folder on this machine."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from components.common.artifacts import Store, digest_of, open_store
from components.common.base.errors import Refusal
from components.common.base.redact import redact
from components.common.registry import CHAMPION, model_name
from components.common.registry.model_ref import FORMS, ModelRef, no_champion, parse_model, version_of
from components.common.registry.model_source import ModelVersion, Source, Stored, source_of
from tabpipe.environment import environment
from tabpipe.project import usable_home
from tabpipe.tracking.mlflow_store import cause_of, tracking_uri
from tabpipe.tracking.tracker import QUICK

_CACHED = 5
"""Models that are kept in the cache."""


@dataclass(frozen=True)
class LocalModel:
    """A model on this machine."""

    folder: Path
    name: str
    version: str
    """`v3`; `3` of MLflow's registry; the start of its digest where it is a folder."""


def find_model(text: str, store_url: str | None = None) -> LocalModel:
    """Finds a model and brings its folder here, unless it is here already.

    Args:
        text: USE_CASE, USE_CASE@ALIAS, USE_CASE@v3, artifact://NAME:ALIAS, models:/NAME@ALIAS, models:/NAME/3, or a
            folder.
        store_url: The artifact store; the one that the environment names by default.

    Raises:
        Refusal: There is no such model, or where it is cannot be reached.
    """
    ref = parse_model(text, short=True, where="--model")
    store = open_store(store_url) if ref.place == "store" else None
    found = look_up(ref, store)
    if ref.place == "folder":
        return LocalModel(Path(ref.name), ref.use_case, digest_of(ref.name)[:12])
    cache = usable_home() / "store" / "models"
    folder = cache / (found.digest or f"{found.name}-{hashlib.sha256(found.mark.encode()).hexdigest()[:12]}")
    if not folder.is_dir():
        with _answering(ref):
            _bring(_source(ref, store), found, folder)
    with suppress(OSError):
        os.utime(folder)
        _forget_old(cache)
    return LocalModel(folder, found.name, found.version)


def look_up(ref: ModelRef, store: Store | None = None) -> ModelVersion:
    """The version that an address means now.

    Args:
        ref: The address.
        store: The artifact store; the one that the environment names by default.

    Raises:
        Refusal: There is no such model, or where it is cannot be reached.
    """
    if ref.place == "store":
        store = store or open_store()
        if ref.use_case == ref.name:
            store.resolve(f"{ref.name}:{ref.which}")
        else:
            version_of(store, ref.use_case, ref.which)
    with _answering(ref):
        found = _source(ref, store).look()
    if found is not None:
        return found
    if ref.place == "folder":
        raise Refusal("no saved model", where=str(ref), rule=f"USE_CASE, USE_CASE@ALIAS, USE_CASE@v3, {FORMS}")
    registry = redact(tracking_uri())
    if ref.which == CHAMPION:
        raise no_champion(ref.use_case, registry, [])
    mend = f"tabpipe models list {ref.use_case} shows those that are there"
    raise Refusal("MLflow has no such model", where=registry, value=str(ref), mend=mend)


def _source(ref: ModelRef, store: Store | None) -> Source:
    return Stored(ref, store) if ref.place == "store" else source_of(ref)


@contextmanager
def _answering(ref: ModelRef) -> Iterator[None]:
    """Names MLflow's registry while the block asks it, and words what it raises."""
    if ref.place != "registry":
        yield
        return
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    try:
        with environment({**QUICK, "MLFLOW_TRACKING_URI": tracking_uri()}):
            yield
    except (MlflowException, RequestException) as error:
        store = f"artifact://{model_name(ref.name)}:{CHAMPION if ref.numbered else ref.which}"
        raise Refusal(
            f"MLflow does not answer: {cause_of(error)}",
            where="MLFLOW_TRACKING_URI",
            value=redact(tracking_uri()),
            mend=f"start it; or, without it: --model {store}",
        ) from None


def _bring(source: Source, found: ModelVersion, folder: Path) -> None:
    """Brings a version into the cache: whole or not at all, and verified if its digest is known."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as scratch:
        target = Path(scratch) / "brought"
        target.mkdir()
        brought = source.bring(found, target)
        if found.digest and digest_of(brought) != found.digest:
            raise Refusal(
                "MLflow gave other bytes than were registered", where=found.name, rule=f"digest {found.digest}"
            )
        with suppress(OSError):  # another process has brought it meanwhile
            brought.rename(folder)


def _forget_old(cache: Path) -> None:
    """Leaves the models that were asked for last."""
    folders = [path for path in cache.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for old in sorted(folders, key=lambda path: path.stat().st_mtime)[:-_CACHED]:
        shutil.rmtree(old, ignore_errors=True)
