"""MLflow's own user interface on the tracked runs."""

from __future__ import annotations

import os
import subprocess
import sys

from tabpipe.engines.fork_client import step_environment
from tabpipe.project import home
from tabpipe.tracking import tracker
from tabpipe.tracking.mlflow_store import ensure_store, tracking_uri


def serve(port: int) -> int:
    """Serves MLflow on 127.0.0.1 until interrupted; returns its exit code."""
    home().mkdir(parents=True, exist_ok=True)
    ensure_store()
    tracker.flush()
    print(f"MLflow: http://127.0.0.1:{port}/?workflowType=machine_learning  (Ctrl-C ends it)", flush=True)
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "ui",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--backend-store-uri",
        tracking_uri(),
        "--workers",
        "1",
    ]
    try:
        return subprocess.run(command, env={**os.environ, **step_environment()}).returncode
    except KeyboardInterrupt:
        return 0
