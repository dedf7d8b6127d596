"""What a run notes of where it comes from: code, environment, and its outputs by content."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.common.base.files import file_digest
from components.common.base.packages import RESULTS, installed
from tabpipe.project import ROOT, home

AT = "TABPIPE_AT"
"""The variable by which `run --at` hands its release's name to the release."""
LOCK = Path("requirements") / "run.lock"
"""The lock of the environment that steps run in."""

_CODE = ("components", "images", "pipeline.py", "requirements", "tabpipe")
"""What a run hangs on in the project. Its config is none of that: each run keeps its own."""


def code(images: dict[str, str]) -> dict[str, Any]:
    """The code that a run is made with.

    Args:
        images: Step to the name of its image, which is the digest of the step's code.

    Returns:
        `commit` and `clean` (whether the code is as that commit has it; both None outside a git checkout), `at` (the
        release, where one was asked for) and `images`.
    """
    commit, clean = state(ROOT)
    return {"commit": commit, "clean": clean, "at": os.environ.get(AT) or None, "images": images}


def state(root: Path) -> tuple[str | None, bool | None]:
    """A checkout's commit, and whether its code is as that commit has it; None and None if it is no checkout."""
    if not (root / ".git").exists():  # git would take a repository that the project merely lies in
        return None, None
    command = ["git", "-C", str(root), "status", "--porcelain=v2", "--branch", "--", *_CODE]
    try:
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None, None
    head = "# branch.oid "
    commit = next((line.removeprefix(head) for line in lines if line.startswith(head)), "(initial)")
    return (None, None) if commit == "(initial)" else (commit, all(line.startswith("#") for line in lines))


def environment(more: Iterable[str] = ()) -> dict[str, Any]:
    """Python, the digest of the lock, and the versions of the packages that results depend on.

    Args:
        more: Packages that those of one config depend on besides.
    """
    lock = ROOT / LOCK
    return {
        "python": platform.python_version(),
        "lock": file_digest(lock) if lock.is_file() else None,
        "packages": installed(["kfp", "mlflow", *RESULTS, *more]),
    }


def outputs(made: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The outputs of a run's steps by content.

    Args:
        made: Step to output name to artifact, as kfp.local gives them.

    Returns:
        Step to output name to `digest`, `path` (below the folder of outputs where it is there; none of an output that
        is all metadata) and, of a table, `rows`. Metrics are left out: a run keeps their values.
    """
    return {
        step: found
        for step, artifacts in made.items()
        if (found := {name: entry for name, value in sorted(artifacts.items()) if (entry := _output(value))})
    }


def _output(value: Any) -> dict[str, Any] | None:
    kind, metadata = getattr(value, "schema_title", ""), dict(getattr(value, "metadata", None) or {})
    if not kind or kind == "system.Metrics":
        return None
    if kind.endswith("ClassificationMetrics"):
        text = json.dumps(metadata, sort_keys=True)
        return {"digest": hashlib.sha256(text.encode()).hexdigest()}
    path = Path(value.uri)
    digest = metadata.get("digest") or (file_digest(path) if path.is_file() else None)
    return {
        "digest": digest,
        "path": str(path.relative_to(home())) if path.is_relative_to(home()) else str(path),
        **({"rows": int(metadata["rows"])} if "rows" in metadata else {}),
    }
