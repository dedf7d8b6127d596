"""A small model with columns of all kinds, trained by the step train, and a server that answers with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.serving.servers import free_port
from components.common.tables.parquet import write_table
from components.train.tests.trees import section, trees
from components.train.train import train_file
from tabpipe_server.models import Served

ROOT = Path(__file__).resolve().parents[3]
_PATIENCE = 60.0


def tree_model(folder: Path, task: str = "classification") -> Path:
    """Trains the model and returns its folder; a second call finds it there."""
    model = folder / task
    if not model.exists():
        write_table(trees(), folder / "train.parquet")
        write_table(trees(rows=120, seed=1), folder / "validation.parquet")
        argument = section(task, intervals=0.9).model_dump(mode="json")
        train_file(
            argument, str(folder / "train.parquet"), str(folder / "validation.parquet"), str(model), str(folder / "r")
        )
    return model


def tree_served(folder: Path, task: str = "classification") -> Served:
    """The model as a server holds it."""
    from components.common.inference import load_predictor

    predictor = load_predictor(tree_model(folder, task))
    return Served(predictor, name="trees", version="3", role="champion", digest="0" * 64)


@contextmanager
def server(model: Path, folder: Path, **variables: Any) -> Iterator[str]:
    """Runs the server with a model, as it is run in earnest, and gives its address without a slash at the end.

    Args:
        model: The model's folder.
        folder: Where it keeps its copies and its log.
        variables: The parts of TABPIPE_SERVE_… in small letters.
    """
    port = free_port()
    given = {"model": model, "name": "trees", "port": port, "cache": folder / "cache", "drain": 0} | variables
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TABPIPE_", "MLFLOW_"))}
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")])
    kept |= {f"TABPIPE_SERVE_{name.upper()}": str(value) for name, value in given.items()}
    log = folder / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "tabpipe_server"], env=kept, stdout=out, stderr=out)
    try:
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + _PATIENCE
        while not _ready(address):
            assert process.poll() is None, f"the server ended:\n{log.read_text()}"
            assert time.monotonic() < end, f"the server does not become ready:\n{log.read_text()}"
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def asked(url: str, body: Any = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Status and body (JSON, else text) of a GET, or of a POST of JSON."""
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"} | (headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:
            return answer.status, _read(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _read(error)


def _read(answer: Any) -> Any:
    text = answer.read().decode()
    return json.loads(text) if text.strip() and "json" in answer.headers["Content-Type"] else text


def _ready(address: str) -> bool:
    try:
        return asked(f"{address}/readyz")[0] == 200
    except OSError:
        return False
