"""MLflow's tracking store beside the outputs: SQLite, made once for this environment and copied for every other home.

MLflow builds its tables with all migrations of its history, which takes a second of computing; a copy of what came of
it takes milliseconds. What it builds hangs on its version alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from components.common.base.errors import innermost
from components.common.base.files import written_whole
from tabpipe.project import home

_LONGEST = 300
"""Characters of an error that are shown."""


def tracking_uri() -> str:
    """The tracking store: MLFLOW_TRACKING_URI, or SQLite beside the outputs."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home() / 'mlflow.db'}"


def cause_of(error: BaseException) -> str:
    """What an error of MLflow comes down to: what the system says where a server is out of reach, else its first line.

    MLflow wraps what requests says, which wraps what urllib3 says, each with the address.
    """
    # MLflow raises its own errors while it handles those of requests, and does not say of which they come.
    inner = innermost(error.__cause__ or error.__context__ or error)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    said = str(error).strip()
    return said.splitlines()[0][:_LONGEST] if said else type(error).__name__


def ensure_store() -> None:
    """Makes the SQLite store beside the outputs, whole or not at all: MLflow cannot mend one that it half made."""
    file = home() / "mlflow.db"
    if tracking_uri() != f"sqlite:///{file}" or file.is_file():
        return
    with first_come():
        if not file.is_file():
            with written_whole(file) as beside:
                _make(beside, (home() / "mlartifacts").as_uri())


@contextlib.contextmanager
def first_come() -> Iterator[None]:
    """Lets one process at a time into the block."""
    with (home() / "mlflow.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(file: Path, artifacts: str) -> None:
    empty = _empty_one()
    if empty is None:
        return _build(file, artifacts)
    import sqlite3

    shutil.copyfile(empty, file)
    now = time.time_ns() // 1_000_000
    with contextlib.closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ?",
            (f"{artifacts}/0", now, now),
        )


def _empty_one() -> Path | None:
    """An empty store in the virtual environment, made if absent; None where there is none to keep it in."""
    from mlflow.version import VERSION

    if sys.prefix == sys.base_prefix:
        return None
    kept = Path(sys.prefix) / "var" / f"mlflow-{VERSION}.db"
    try:
        if not kept.is_file():
            with written_whole(kept) as beside:
                _build(beside, kept.parent.as_uri())
    except Exception:  # read-only or full, which SQLAlchemy words in ways of its own
        return None
    return kept


def _build(file: Path, artifacts: str) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    store = SqlAlchemyStore(f"sqlite:///{file}", artifacts)
    store._dispose_engine()
