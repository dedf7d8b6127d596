"""The project and the folder of its outputs: where they are, and files kept there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, no_space
from components.common.base.files import written_whole

ROOT = Path(__file__).resolve().parent.parent
"""The project: the folder that holds components/, config/ and requirements/."""


def commit() -> str:
    """The project's git commit; empty outside a checkout or without git."""
    try:
        command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def home() -> Path:
    """The folder for all outputs: TABPIPE_HOME, or output/ in the project."""
    return Path(os.environ.get("TABPIPE_HOME") or ROOT / "output").absolute()


def usable_home() -> Path:
    """The folder for all outputs, made if absent.

    Raises:
        Refusal: Nothing can be written there, or its name is one that a database URL cannot hold.
    """
    folder = home()
    if found := set("#?%") & set(str(folder)):
        raise Refusal(
            f"outputs cannot go to a folder with {' '.join(sorted(found))} in its path",
            where=str(folder),
            mend="set TABPIPE_HOME to another one",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if no_space(error):
            raise
        raise Refusal(
            f"outputs cannot be written ({error.strerror})",
            where=str(folder),
            mend="set TABPIPE_HOME to a folder that you may write to",
        ) from None
    return folder


def read_json(path: Path, default: Any) -> Any:
    """A JSON file's value; `default` where the file is absent or damaged."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return default


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file whole or not at all."""
    with written_whole(path) as beside:
        beside.write_text(json.dumps(value, indent=1, default=str) + "\n")


def link_or_copy(source: Path, target: Path) -> None:
    """Makes `target` the same file as `source`, or a copy where the file system has no links."""
    with written_whole(target) as beside:
        try:
            os.link(source, beside)
        except OSError:
            shutil.copyfile(source, beside)


def link_tree(source: Path, target: Path) -> None:
    """Makes `target` a folder of the same files as `source`. MLflow refuses a model behind a symbolic link."""
    for path in source.rglob("*"):
        if path.is_file():
            link_or_copy(path, target / path.relative_to(source))
