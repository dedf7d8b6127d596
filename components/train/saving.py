"""Saving a model in MLflow's format, so that it loads with nothing of this project."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.artifacts import digest_of
from components.common.base.files import file_digest
from components.common.base.packages import MODEL
from components.common.inference import intervals as intervals_module
from components.common.inference.plan import FOLDER

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.base import Kind

EXAMPLE_ROWS = 2
_IMPORT = re.compile(r"^from components\..* import .*\n", re.MULTILINE)
_OF_MODEL = {"mlflow", "sklearn", "numpy", "scipy", "pandas", "cloudpickle"}
"""The modules of the packages that every model needs."""


def save_model(
    pipeline: Any,
    path: str | os.PathLike[str],
    *,
    raw: dict[str, Kind],
    optional: frozenset[str],
    table: pd.DataFrame,
    task: str,
    metadata: dict[str, Any],
    compiled: Path | None = None,
    intervals: bool = False,
) -> str:
    """Saves a fitted pipeline as an MLflow model; the folder appears whole or not at all.

    Args:
        pipeline: A scikit-learn Pipeline.
        path: The folder to write; one that is there is replaced.
        raw: The columns that the model is asked with, and their kinds.
        optional: Those of them that may be missing.
        table: The training table, for the input example.
        task: classification or regression.
        metadata: What else to write into the model's description.
        compiled: The folder of its compiled form, if there is one.
        intervals: Whether its plan in that folder has intervals, which pyfunc then gives where asked.

    Returns:
        The folder's digest, as among the artifacts: equal for equal training on any machine with the same packages.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    import mlflow.sklearn
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

    columns: list[Any] = [ColSpec(_type(kind), name, required=name not in optional) for name, kind in raw.items()]
    answer = ColSpec("string" if task == "classification" else "double")
    params: Any = ParamSchema([ParamSpec("intervals", "boolean", False)]) if intervals else None
    _forget_addresses(pipeline)
    _share_names(pipeline)
    with _folder_written_whole(path) as beside, _quiet():
        mlflow.sklearn.save_model(
            pipeline,
            str(beside),
            signature=ModelSignature(Schema(columns), Schema([answer]), params),
            input_example=_example(table, raw),
            pip_requirements=[f"{name}=={version(name)}" for name in requirements(pipeline)],
            serialization_format="cloudpickle",
            metadata=metadata,
        )
        if compiled is not None:
            shutil.copytree(compiled, beside / FOLDER)
        if intervals:
            _load_with_intervals(beside)
        _forget_when(beside)
        return digest_of(beside)


def _load_with_intervals(folder: Path) -> None:
    """Lets pyfunc open a model by code of its own, under a name that no other version of that code has."""
    from components.train import pyfunc_intervals

    travelling = Path(intervals_module.__file__).read_text(encoding="utf-8")
    opening = _IMPORT.sub("", Path(pyfunc_intervals.__file__).read_text(encoding="utf-8"))
    text = f"{travelling}\n\n{opening}"
    name = f"tabpipe_intervals_{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    code = folder / "code" / f"{name}.py"
    code.parent.mkdir()
    code.write_text(text, encoding="utf-8")
    described = folder / "MLmodel"
    loader, own = "    loader_module: mlflow.sklearn\n", f"    code: {code.parent.name}\n    loader_module: {name}\n"
    described.write_text(described.read_text().replace(loader, own, 1))


def _forget_when(folder: Path) -> None:
    """Takes the time and the random id out of a model's description, so that equal models are equal folders."""
    described = folder / "MLmodel"
    text = re.sub(r"^utc_time_created: .*\n", "", described.read_text(), flags=re.M)
    pickled = file_digest(folder / "model.pkl")
    described.write_text(re.sub(r"^model_uuid: .*$", f"model_uuid: {pickled[:32]}", text, flags=re.M))


def _forget_addresses(pipeline: Any) -> None:
    """Clears the address of its stop words that a text vectorizer notes: the only thing that differs between runs."""
    for _, part, _ in pipeline.named_steps["features"].transformers_:
        if hasattr(part, "_stop_words_id"):
            part._stop_words_id = None


def _share_names(pipeline: Any) -> None:
    """Makes equal names of attributes one string each, as they are where no model was loaded before.

    A pickle writes a string once and then refers to it. All instances of a class share the names that the first one
    came with; of one that was unpickled these are strings of their own.
    """
    for part in _parts(pipeline):
        if hasattr(part, "__dict__") and any(name is not sys.intern(name) for name in vars(part)):
            part.__dict__ = {sys.intern(name): value for name, value in vars(part).items()}


def requirements(pipeline: Any) -> list[str]:
    """The packages that loading and asking a fitted pipeline needs: those of any model, and those of its own parts."""
    modules = {type(part).__module__.partition(".")[0] for part in _parts(pipeline)}
    # What cannot be imported is in the pickle by value, and is made of these packages.
    own = {name for name in modules - set(sys.stdlib_module_names) - _OF_MODEL if sys.modules.get(name)}
    if not own:
        return list(MODEL)
    packages = packages_distributions()  # walks through all that is installed
    return [*MODEL, *sorted({packages[name][0] for name in own if name in packages} - set(MODEL))]


def _parts(pipeline: Any) -> Iterator[Any]:
    """All objects that a fitted pipeline consists of, but classes and functions."""
    waiting, known = [pipeline], set()
    while waiting:
        part = waiting.pop()
        if id(part) in known:
            continue
        known.add(id(part))
        if isinstance(part, dict):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype == object else []
        elif not isinstance(part, type) and not callable(part):
            yield part
            waiting += getattr(part, "__dict__", {}).values()


def _type(kind: Kind) -> Any:
    """Text is text. Of the other kinds MLflow would refuse what tables hold: whole numbers for floats, booleans and
    dates for strings. The model itself gives each column the type of its kind, and refuses what is not of it.
    """
    from mlflow.types.schema import AnyType

    return "string" if kind == "text" else AnyType()


def _example(table: pd.DataFrame, raw: dict[str, Kind]) -> pd.DataFrame:
    """The first rows, in the types of the signature: dates as ISO 8601 strings, missing strings as None."""
    head = table.head(EXAMPLE_ROWS)
    found = {}
    for name, kind in raw.items():
        values = head[name]
        if kind == "numerical":
            found[name] = values.astype("float64")
        else:
            texts = [
                None if missing else v.isoformat() if kind == "date" and hasattr(v, "isoformat") else str(v)
                for v, missing in zip(values, values.isna(), strict=True)
            ]
            found[name] = values.__class__(texts, index=values.index, dtype=object)
    return head.__class__(found)


@contextmanager
def _folder_written_whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a folder beside `path` to write, and renames it to `path` when the block ends well."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        yield beside
        if target.is_dir():
            shutil.rmtree(target)
        beside.rename(target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps MLflow from warnings that are not the user's to act on, and from a search that costs more than saving.

    It warns of cloudpickle, and pandas warns of what MLflow does. And it walks through the files of every installed
    package to check that the requirements are installed, though they were just read from what is installed.
    """
    from mlflow.utils import requirements_utils

    logger = logging.getLogger("mlflow.sklearn")
    level, known = logger.level, requirements_utils._MODULES_TO_PACKAGES
    logger.setLevel(logging.ERROR)
    if known is None:
        requirements_utils._MODULES_TO_PACKAGES = {}  # type: ignore[assignment]  # MLflow has it None or a dict
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logger.setLevel(level)
        requirements_utils._MODULES_TO_PACKAGES = known
