"""Writes what runs have spooled to MLflow: a parent run per pipeline run, a child run per step.

A run's folder in the spool holds open.json from its start, one file per step that has ended, and close.json from its
end. The tracker follows it beside the run's next steps, so that nobody waits for MLflow; what it could not write is
written by the next one. `python -m tabpipe.tracking.tracker FOLDER…` follows runs that are under way or over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.tracking import mlflow_log
from components.common.tracking.record import Record
from tabpipe.project import home, read_json, write_json
from tabpipe.tracking.mlflow_store import ensure_store, first_come, tracking_uri
from tabpipe.tracking.spool import COMMIT, spool

QUICK = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}
"""How soon to give up on a server that does not answer: the spool keeps the run, and nobody should wait for minutes."""
POLL = 0.02
"""Seconds between two looks for new records."""
_NO_RECORDS = ("open", "close", "state", "tries")
_TRIES = 5
"""How often a run is tried to be written before it is set aside."""
_ABOUT_TO_BE = 60.0
"""Seconds within which a run's folder gets its open.json."""
_STATUS = {"succeeded": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


def follow(folder: Path) -> None:
    """Writes a run's records as they come, until the run is closed or its process is gone."""
    with _alone(folder) as alone:
        if not alone:
            return
        opened = read_json(folder / "open.json", None)
        if opened is None:
            shutil.rmtree(folder, ignore_errors=True)
            return
        writer = _Writer(folder, opened)
        while True:
            closed = read_json(folder / "close.json", None)
            writer.write_ended_steps()
            if closed is None and not _alive(opened["pid"]):
                closed = read_json(folder / "close.json", {"state": "interrupted", "ended": time.time()})
                writer.write_ended_steps()
            if closed is not None:
                writer.close(closed)
                shutil.rmtree(folder, ignore_errors=True)
                return
            time.sleep(POLL)


def flush() -> int:
    """Writes all that runs which are over have left; returns the number of runs."""
    folders = [path for path in sorted(spool().glob("*")) if path.is_dir() and _over(path)]
    for folder in folders:
        try:
            follow(folder)
        except Exception:
            traceback.print_exc()
            _set_aside(folder)
    return len(folders)


def _set_aside(folder: Path) -> None:
    """Counts a failure to write a run; after the last try it goes where no tracker looks, for a person to see."""
    tries = read_json(folder / "tries.json", 0) + 1
    write_json(folder / "tries.json", tries)
    if tries >= _TRIES:
        unwritten = home() / "spool-unwritten"
        unwritten.mkdir(exist_ok=True)
        folder.rename(unwritten / folder.name)


def _over(folder: Path) -> bool:
    """Whether a run has ended; one that is under way is followed by a tracker of its own."""
    opened = read_json(folder / "open.json", None)
    if opened is None:  # never opened, or about to be
        return time.time() - folder.stat().st_mtime > _ABOUT_TO_BE
    return (folder / "close.json").is_file() or not _alive(opened["pid"])


class _Writer:
    """The MLflow runs of one pipeline run."""

    def __init__(self, folder: Path, opened: dict[str, Any]):
        from mlflow import MlflowClient

        self.folder, self.opened = folder, opened
        os.environ["MLFLOW_TRACKING_URI"] = tracking_uri()
        state = read_json(folder / "state.json", None)
        self.resumed = state is not None  # a tracker before this one may have ended in the midst of anything
        if state is None:
            state = {}
            write_json(folder / "state.json", state)
        ensure_store()
        with first_come():  # two trackers must not create the same experiment
            self.client = MlflowClient()
            self.experiment = state.get("experiment") or self._experiment(opened["use_case"])
        self.parent = state.get("parent") or self._create(opened["run_id"], opened["started"], opened["tags"])
        write_json(folder / "state.json", {"experiment": self.experiment, "parent": self.parent})
        os.environ["MLFLOW_EXPERIMENT_ID"] = self.experiment

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        local = tracking_uri().startswith("sqlite")
        return self.client.create_experiment(name, (home() / "mlartifacts" / name).as_uri() if local else None)

    def _create(self, name: str, started: float, tags: dict[str, str]) -> str:
        """Creates a run; or finds it, if a tracker that ended before it could note so has created it already."""
        if self.resumed:
            parent = tags.get("mlflow.parentRunId")
            below = f" and tags.`mlflow.parentRunId` = '{parent}'" if parent else ""
            found = self.client.search_runs([self.experiment], f"attributes.run_name = '{name}'{below}", max_results=1)
            if found:
                return found[0].info.run_id
        return self.client.create_run(self.experiment, int(started * 1000), tags, name).info.run_id

    def _child_tags(self, step: str) -> dict[str, str]:
        tags = {"mlflow.parentRunId": self.parent, "tabpipe.step": step}
        if commit := self.opened["tags"].get(COMMIT):
            tags[COMMIT] = commit
        return tags

    def write_ended_steps(self) -> None:
        """Writes the records that have come, in the order in which their steps began."""
        files = (path for path in self.folder.glob("*.json") if path.stem not in _NO_RECORDS)
        records = [(read_json(path, None), path) for path in files]
        for value, path in sorted(((v, p) for v, p in records if v), key=lambda pair: pair[0]["started"]):
            self._write_step(Record(**value))
            path.unlink()

    def _write_step(self, record: Record) -> None:
        """Creates the step's run and lets the step's own code write into it, found by the environment."""
        run_id = self._create(record.name, record.started, self._child_tags(record.name))
        os.environ["MLFLOW_RUN_ID"] = run_id
        mlflow_log.write(record)
        self.client.set_terminated(run_id, record.status, int(record.ended * 1000))
        self._publish(record)

    def _publish(self, record: Record) -> None:
        """Puts what the step has made among the artifacts; MLflow has its record whatever comes of that."""
        from components.common.artifacts import open_store
        from components.common.tracking.publish import publish

        made_by = {"run": self.opened["run_id"], "commit": self.opened["tags"].get(COMMIT, "")}
        try:
            publish(
                open_store(), self.opened["use_case"], record, {key: value for key, value in made_by.items() if value}
            )
        except (Refusal, OSError) as error:
            print(f"what {record.name} has made is not among the artifacts: {error}", flush=True)

    def _write_cached(self, step: dict[str, Any]) -> None:
        """A run for a step that was served from the cache, linked to the run that made its outputs."""
        made_by = self.client.search_runs([self.experiment], f"tags.`tabpipe.key` = '{step['key']}'", max_results=1)
        tags = {**self._child_tags(step["name"]), "tabpipe.cached": "true"}
        if made_by:
            tags["tabpipe.made_by"] = made_by[0].info.run_id
        run_id = self._create(step["name"], step["started"], tags)
        self.client.set_terminated(run_id, "FINISHED", int(step["started"] * 1000))

    def close(self, closed: dict[str, Any]) -> None:
        """Ends the parent run, with the metrics and parameters of the whole."""
        children: dict[str | None, str] = {}
        for run in self.client.search_runs([self.experiment], f"tags.`mlflow.parentRunId` = '{self.parent}'"):
            children.setdefault(run.data.tags.get("tabpipe.step"), run.info.run_id)
        for step in closed.get("steps", []):
            if step["cached"]:
                self._write_cached(step)
            elif step["state"] == "succeeded" and step["key"] and step["name"] in children:
                self.client.set_tag(children[step["name"]], "tabpipe.key", step["key"])
        record = Record(name=self.opened["run_id"], started=self.opened["started"], ended=closed["ended"])
        record.params(closed.get("params", {}))
        record.metrics(closed.get("metrics", {}))
        record.tags.update(closed.get("tags", {}))
        record.files = closed.get("files", [])
        mlflow_log.log(self.client, self.parent, record)
        self.client.set_terminated(self.parent, _STATUS.get(closed["state"], "FAILED"), int(closed["ended"] * 1000))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Gives whether this process is the only tracker of the folder."""
    try:
        lock = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield folder.exists()
    finally:
        os.close(lock)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    os.nice(5)  # the steps, which run beside it, come first
    for variable, value in QUICK.items():
        os.environ.setdefault(variable, value)
    for name in sys.argv[1:]:
        follow(Path(name))
    flush()
