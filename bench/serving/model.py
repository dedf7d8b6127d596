"""The model that is served, and the rows that it is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.serving.servers import ROOT, inherited

REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "genres_mod.parquet"
_USE_CASE = "music_genres"
_SEED = 7


@dataclass(frozen=True)
class Trained:
    """A model, and rows that it was not trained on."""

    folder: Path
    columns: list[str]
    """Those of its signature."""
    rows: list[list[Any]]
    """Rows of the test split as JSON values, None where one is missing."""
    source: str


def home() -> Path:
    """Where this bench's runs leave what they make."""
    return Path(os.environ.get("TABPIPE_HOME") or ROOT / "output").absolute() / "bench-serving"


def trained(source: str, overrides: list[str], rows: int) -> Trained:
    """Trains the music model, or takes the one that the same run made before, and draws rows of its test split.

    Args:
        source: The table; empty takes the real one, or the generated one on machines without.
        overrides: KEY=VALUE, as `tabpipe run` takes them.
        rows: How many rows.

    Raises:
        SystemExit: The run failed.
    """
    source = source or (str(REAL) if REAL.is_file() else "sample://music_genres")
    command = [sys.executable, "-m", "tabpipe", "run", _USE_CASE, "--json", "--source", source, *overrides]
    environment = {**inherited(), "TABPIPE_HOME": str(home())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    summary = json.loads(done.stdout)
    deadline = time.monotonic() + 30
    while any((home() / "spool").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # the tracker ends after the run, and would burden the servers
    folder = Path(summary["model"])
    test = home() / summary["outputs"]["segregate"]["test"]["path"]
    columns = _columns(folder)
    return Trained(folder, columns, _rows(test, columns, rows), source)


def bodies(model: Trained, rows: int) -> list[bytes]:
    """Requests of so many rows each, which together ask every row once."""
    parts = [model.rows[first : first + rows] for first in range(0, len(model.rows), rows)]
    return [json.dumps({"dataframe_split": {"columns": model.columns, "data": part}}).encode() for part in parts]


def _columns(folder: Path) -> list[str]:
    import yaml

    signature = yaml.safe_load((folder / "MLmodel").read_text())["signature"]
    return [column["name"] for column in json.loads(signature["inputs"])]


def _rows(table: Path, columns: list[str], count: int) -> list[list[Any]]:
    import pandas as pd

    frame = pd.read_parquet(table, columns=columns)
    drawn = frame.sample(min(count, len(frame)), random_state=_SEED).astype(object)
    return drawn.where(drawn.notna(), None).to_numpy().tolist()
