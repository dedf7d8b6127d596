"""Models of a few kinds, and a real MLflow server on this machine to register them at."""

import os
import shutil
import sys
import time
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.serving.servers import free_port
from components.common.artifacts import digest_of
from components.common.registry.mlflow_sync import register
from components.common.tables.parquet import write_table
from components.train.tests.trees import section, trees
from components.train.train import train_file
from tabpipe.tracking import mlflow_store
from tests.conftest import ROOT
from tests.forked import Forked

MODELS = {
    "first": section(n_estimators=3),
    "second": section(n_estimators=4),
    "third": section(n_estimators=5),
    "regression": section("regression", n_estimators=3),
}


@pytest.fixture(name="trained", scope="session")
def trained_models(tmp_path_factory):
    """Trains models; gives the folder of one by its name in MODELS."""
    folder, made = tmp_path_factory.mktemp("trained"), {}
    write_table(trees(), folder / "train.parquet")
    write_table(trees(rows=120, seed=1), folder / "validation.parquet")

    def model(name):
        if name not in made:
            made[name] = folder / name / "model"
            tables = [str(folder / "train.parquet"), str(folder / "validation.parquet")]
            train_file(MODELS[name].model_dump(mode="json"), *tables, str(made[name]), str(folder / name / "report"))
        return made[name]

    return model


class Mlflow:
    """An MLflow server of its own, on SQLite, which can be stopped and started again at the same address.

    Args:
        folder: Where it keeps all.
        artifacts: Where artifacts go: a folder or an s3:// URL.
        proxied: Whether artifacts go through the server (mlflow-artifacts:), or clients reach their place themselves.
    """

    def __init__(self, folder, artifacts, proxied=True):
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        root = "mlflow-artifacts:/" if proxied else artifacts
        # What `mlflow server` tells the server that it starts, which is all that it does; its own start takes 3 s.
        self._told = {
            "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{folder}/mlflow.db",
            "_MLFLOW_SERVER_ARTIFACT_ROOT": root,
            "_MLFLOW_SERVER_SERVE_ARTIFACTS": str(proxied).lower(),
            **({"_MLFLOW_SERVER_ARTIFACT_DESTINATION": artifacts} if proxied else {}),
        }
        mlflow_store._make(folder / "mlflow.db", root.rstrip("/"))
        self._folder, self.process = folder, None
        self.start()

    def start(self):
        """Starts it and waits until it answers."""
        command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--port", str(self.port)]
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", **self._told}
        with open(self._folder / "server.log", "ab") as log:
            self.process = Forked(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        end = time.monotonic() + 90
        while time.monotonic() < end:
            try:
                if direct.open(f"{self.uri}/health", timeout=1).status == 200:
                    return
            except OSError:
                assert self.process.poll() is None, (self._folder / "server.log").read_text()
                time.sleep(0.1)
        raise AssertionError("MLflow does not answer")

    def stop(self):
        """Stops it at once."""
        self.process.kill()
        self.process.wait()

    def register(self, name, model, alias="", *, tagged=True):
        """Registers a model's folder with a run, as the step train does; gives the version."""
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        run = client.create_run("0").info.run_id
        version = register(client, name, digest_of(model), run_id=run, path=str(model))
        if not tagged:
            client.delete_model_version_tag(name, version.version, "tabpipe.digest")
        if alias:
            client.set_registered_model_alias(name, alias, version.version)
        return str(version.version)

    def alias(self, name, alias, version):
        """Moves an alias; takes it away if no version is given."""
        from mlflow import MlflowClient

        client = MlflowClient(self.uri)
        if version:
            client.set_registered_model_alias(name, alias, version)
        else:
            client.delete_registered_model_alias(name, alias)


@pytest.fixture(name="mlflow", scope="module")
def mlflow_server(tmp_path_factory):
    """A server that clients get artifacts through."""
    folder = tmp_path_factory.mktemp("mlflow")
    server = Mlflow(folder, str(folder / "artifacts"))
    yield server
    server.stop()


@pytest.fixture(name="registry")
def named_registry(mlflow, monkeypatch):
    """The same, named by the environment."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.uri)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return mlflow


def settings(tmp_path, model, challenger=None, **more):
    """What a watcher and a logbook are told."""
    given = {"model": str(model), "challenger": challenger, "name": "trees", "cache": tmp_path / "cache", "poll": 0.2}
    return SimpleNamespace(**(given | {"log": None, "log_seconds": 0.3, "log_rows": 1000} | more))


def until(true, seconds=60.0, what=""):
    """Waits until something is true, and gives it; fails if it does not become so."""
    end = time.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < end, what() if callable(what) else what or "it did not become so"
        time.sleep(0.02)


def copied(model, folder):
    """A copy of a model's folder, to be changed."""
    shutil.copytree(model, folder)
    return Path(folder)
