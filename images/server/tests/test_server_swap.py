"""A moved alias under load: the next model answers within seconds, and no request is lost."""

import json
import threading
import time

import pytest

from components.common.artifacts import open_store
from components.common.registry import model_name, promote, rollback, standing
from images.server.tests import registries
from images.server.tests.running import ROW, answer_of, request, running

pytestmark = pytest.mark.run

until = registries.until
mlflow_server, named_registry, trained_models = (
    registries.mlflow_server,
    registries.named_registry,
    registries.trained_models,
)
GOOD = request({"dataframe_records": [ROW]})
PATIENCE = 30.0
"""Seconds that the next model may take on a busy machine; without other load it answers within two."""


class Asking(threading.Thread):
    """Asks on one connection until it is told to end, and keeps what was answered."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.ending = server, threading.Event()
        self.versions, self.wrong = [], []

    def run(self):
        with self.server.connect() as connection:
            while not self.ending.is_set():
                try:
                    connection.sendall(GOOD)
                    status, headers, body = answer_of(connection)
                except OSError as error:
                    self.wrong.append(repr(error))
                    return
                if status != 200 or json.loads(body)["model_version"] != headers["x-model-version"]:
                    self.wrong.append((status, body))
                self.versions.append(headers.get("x-model-version"))


class Stored:
    """Champions of an artifact store."""

    def __init__(self, folder, trained):
        self.store = open_store(folder / "artifacts")
        self.model, self.environment = f"artifact://{model_name('trees')}:champion", {}
        self.environment["TABPIPE_ARTIFACTS"] = str(folder / "artifacts")
        for name in ("first", "second"):
            self.store.put(model_name("trees"), trained(name))
        self.moves = [lambda: self._promote("v1"), lambda: rollback(self.store, standing(self.store, "trees"))]
        self._promote("v0")

    def _promote(self, version):
        promote(self.store, standing(self.store, "trees"), f"{model_name('trees')}:{version}")


class Registered:
    """Champions of MLflow's registry."""

    def __init__(self, mlflow, trained, name):
        self.model, self.environment = f"models:/{name}@champion", {"MLFLOW_TRACKING_URI": mlflow.uri}
        first = mlflow.register(name, trained("first"), "champion")
        second = mlflow.register(name, trained("second"))
        self.moves = [lambda: mlflow.alias(name, "champion", second), lambda: mlflow.alias(name, "champion", first)]


@pytest.fixture(name="champions", params=["artifact store", "MLflow"])
def both_kinds(request, tmp_path, trained):
    if request.param == "MLflow":
        return Registered(request.getfixturevalue("registry"), trained, "swapped")
    return Stored(tmp_path, trained)


def test_a_moved_alias_under_load_of_8_clients_loses_no_request(champions, tmp_path):
    variables = {"environment": champions.environment, "poll": 0.5}
    with running(champions.model, tmp_path / "server", **variables) as server:
        clients = [Asking(server) for _ in range(8)]
        for client in clients:
            client.start()
        until(lambda: all(client.versions for client in clients))
        present = clients[0].versions[-1]
        for move in champions.moves:
            move()
            end = time.monotonic() + PATIENCE
            while any(client.versions[-1] == present for client in clients) and time.monotonic() < end:
                time.sleep(0.05)
            assert time.monotonic() < end, server.log.read_text()
            present = clients[0].versions[-1]
        for client in clients:
            client.ending.set()
        for client in clients:
            client.join(10)
    assert not [wrong for client in clients for wrong in client.wrong]
    for client in clients:
        changes = [one for one, other in zip(client.versions, client.versions[1:], strict=False) if one != other]
        assert len(changes) == 2, "there and back again, and never to and fro between"
