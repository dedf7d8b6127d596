"""Packages that results depend on."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

MODEL = ("mlflow-skinny", "scikit-learn", "numpy", "scipy", "pandas", "cloudpickle")
"""What loading and asking any model needs; mlflow-skinny is MLflow without server and tracking store."""
RESULTS = (*MODEL, "pyarrow")
"""What the outputs of steps depend on."""


def installed(names: Iterable[str]) -> dict[str, str]:
    """Those of some packages that are installed, in alphabetical order, and their versions.

    They are read off the names of the folders that installers leave; importlib.metadata takes 50 ms for the same.
    """
    wanted = {name.replace("-", "_") for name in names}
    spec = find_spec("numpy")
    folders = sorted(Path(spec.origin).parents[1].glob("*.dist-info")) if spec and spec.origin else []
    found = (folder.name.removesuffix(".dist-info").split("-", 1) for folder in folders)
    return {name: version for name, version in found if name in wanted}
