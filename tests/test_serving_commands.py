"""`tabpipe serve`: a real server of a real model, and what is said where there can be none."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest
import requests

from bench.serving.servers import free_port
from tests.conftest import ROOT, command_line
from tests.forked import Forked

pytestmark = pytest.mark.run

OTHERS = ("TABPIPE_ARTIFACTS", "MLFLOW_TRACKING_URI", "TABPIPE_SERVE_API_KEY")


@pytest.fixture(scope="module")
def home(finished, tmp_path_factory):
    """A folder of outputs in which iris has a champion."""
    folder = tmp_path_factory.mktemp("home")
    finished(folder)
    return folder


class Serving:
    """`tabpipe serve` in a process of its own, until the block ends."""

    def __init__(self, home, *arguments, env=None):
        self.port = free_port()
        environment = {key: value for key, value in os.environ.items() if key not in OTHERS}
        self.errors = (home / "serve.err").open("w+")
        self.process = Forked(
            [sys.executable, "-m", "tabpipe", "serve", "iris", "--port", str(self.port), *arguments],
            cwd=ROOT,
            env={**environment, "TABPIPE_HOME": str(home), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def __enter__(self):
        self.said = ""
        while "ask it" not in self.said:
            line = self.process.stdout.readline()
            assert line, self.told()
            self.said += line
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        self.process.stdout.close()
        self.errors.close()

    def told(self):
        self.errors.seek(0)
        return self.errors.read()

    @property
    def command(self):
        """The command that it says it is asked by."""
        return re.search(r"ask it\s+(.*)", self.said)[1]


def test_the_command_that_is_told_asks_the_champion(home):
    with Serving(home) as server:
        assert f"http://127.0.0.1:{server.port}" in server.said and "iris v0" in server.said
        done = subprocess.run(server.command + " --silent", shell=True, capture_output=True, text=True)
        answer = json.loads(done.stdout)
    assert answer["predictions"][0] in ("setosa", "versicolor", "virginica")
    assert (answer["model_name"], answer["model_version"]) == ("iris", "v0")


def test_it_ends_in_order_at_ctrl_c_and_leaves_a_log(home):
    with Serving(home, "serve.limits.timeout=60") as server:  # so long it may take to write it
        asked = requests.post(
            f"http://127.0.0.1:{server.port}/invocations",
            data=shlex.split(server.command)[-1],
            headers={"Content-Type": "application/json", "X-Request-Id": "kept"},
            timeout=10,
        )
        assert asked.ok
        child = children_of(server.process.pid)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(90) == 0
        assert not any(os.path.exists(f"/proc/{pid}") for pid in child)
    import pandas as pd

    files = list((home / "requests" / "iris").rglob("*.parquet"))
    assert files, (home / "serve.err").read_text()
    assert "kept" in set(pd.concat([pd.read_parquet(path) for path in files])["request_id"])


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_the_section_of_the_config_reaches_the_server(home):
    with Serving(home, "serve.limits.rows=1", "serve.extra_columns=ignore", "serve.log=false") as server:
        assert "the log" not in server.said
        row = json.loads(shlex.split(server.command)[-1])["dataframe_records"][0]
        url = f"http://127.0.0.1:{server.port}/invocations"
        assert requests.post(url, json={"dataframe_records": [{**row, "more": 1}]}, timeout=10).status_code == 200
        assert requests.post(url, json={"dataframe_records": [row, row]}, timeout=10).status_code == 413


def test_a_key_of_the_environment_is_asked_for_and_not_printed(home):
    key = "for-this-test-only"
    with Serving(home, env={"TABPIPE_SERVE_API_KEY": key}) as server:
        assert key not in server.said and "$TABPIPE_SERVE_API_KEY" in server.said
        plain = server.command.replace('-H "X-API-Key: $TABPIPE_SERVE_API_KEY" ', "")
        status = ["--silent", "--output", "/dev/null", "--write-out", "%{http_code}"]
        codes = [
            subprocess.run(
                f"{command} {shlex.join(status)}",
                shell=True,
                env={**os.environ, "TABPIPE_SERVE_API_KEY": key},
                capture_output=True,
                text=True,
            ).stdout
            for command in (plain, server.command)
        ]
    assert codes == ["401", "200"]


def test_another_model_than_the_champion_is_served_from_its_folder(home):
    with Serving(home, "--model", str(home / "iris" / "latest" / "model")) as server:
        ready = requests.get(f"http://127.0.0.1:{server.port}/readyz", timeout=10).json()
    assert ready["champion"]["name"] == "iris"


def test_a_use_case_without_a_champion_is_refused(tmp_path):
    done = command_line("serve", "nyc_rentals", env={"TABPIPE_HOME": str(tmp_path)}, timeout=60)
    assert done.returncode == 2
    assert "nyc_rentals has no champion yet" in done.stderr and "make run CONFIG=nyc_rentals" in done.stderr


def test_a_port_that_is_taken_is_refused(home):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = command_line("serve", "iris", "--port", port, env={"TABPIPE_HOME": str(home)}, timeout=60)
    assert done.returncode == 2
    assert port in done.stderr and "PORT=" in done.stderr


def test_an_mlflow_that_is_away_is_told(tmp_path):
    away = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}", "TABPIPE_HOME": str(tmp_path)}
    done = command_line("serve", "iris", env=away, timeout=120)
    assert done.returncode == 2
    assert "MLflow does not answer: connection refused\n" in done.stderr and "--model" in done.stderr


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_refused(port):
    done = command_line("serve", "iris", f"--port={port}", timeout=60)
    assert done.returncode == 2 and "a whole number from 1 to 65535" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["iris", "--model", "/tmp"], "from MLflow's registry", id="folder"),
        pytest.param(["iris", "--overlay", "kserv"], "did you mean 'kserve'", id="overlay"),
        pytest.param(["iris", "serve.replicas.max=1"], "max must be at least min", id="setting"),
        pytest.param(["iriss"], "did you mean 'iris'", id="use-case"),
        pytest.param(["iris"], "there is no cluster to talk to", id="no-cluster"),
    ],
)
def test_a_deployment_that_cannot_be_is_refused_without_a_cluster(tmp_path, arguments, said):
    if not shutil.which("kubectl"):
        pytest.skip("there is no kubectl")
    done = command_line("deploy", *arguments, env={"KUBECONFIG": str(tmp_path / "none")}, timeout=60)
    assert done.returncode == 2 and said in done.stderr, done.stderr


@pytest.mark.docker
def test_in_docker_it_answers_shut_in_and_is_small(home):
    from tabpipe.compile.build_images import SERVER, build, engine

    client = engine()
    base, image = build([SERVER])
    assert image.size - base.size <= 20e6
    assert client.images.get(image.name).attrs["Config"]["User"] == "10001:10001"
    with Serving(home, "--on", "docker") as server:
        done = subprocess.run(server.command + " --silent", shell=True, capture_output=True, text=True)
        assert json.loads(done.stdout)["model_version"] == "v0"
        container = client.containers.get(f"tabpipe-serve-{server.port}")
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"]
        assert host["PortBindings"]["8000/tcp"] == [{"HostIp": "127.0.0.1", "HostPort": str(server.port)}]
        store = next(mount for mount in container.attrs["Mounts"] if mount["Destination"] == "/store")
        assert store["RW"] is False
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(60) == 0
    deadline = time.monotonic() + 10
    while client.containers.list(all=True, filters={"name": f"tabpipe-serve-{server.port}"}):
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.docker
def test_the_image_has_what_models_and_stores_need_and_starts_as_nobody():
    from tabpipe.compile.build_images import SERVER, build

    code = (
        "import os, sklearn.ensemble, sklearn.linear_model, onnxruntime, pandas, pyarrow.parquet, boto3;"
        "import mlflow.sklearn, mlflow.store.artifact.mlflow_artifacts_repo;"
        "import tabpipe_server.app, tabpipe_server.fetcher, tabpipe_server.logwriter;"
        "import importlib.util as i; print(os.getuid(), i.find_spec('onnx'), i.find_spec('components.train'))"
    )
    shut_in = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    command = ["docker", "run", "--rm", *shut_in, build([SERVER])[-1].name, "python", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "10001 None None"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("artifact://iris.model:v77", "iris.model has no version v77"),
        ("iris@v77", "iris.model has no version v77"),
        ("irsi@champion", "irsi has no champion yet"),
        ("models:/irsi@champion", "irsi has no champion yet"),
        ("models:/iris/77", "MLflow has no such model"),
        ("models:iris", "names no model of a registry"),
        ("/nope", "no saved model"),
    ],
)
def test_a_model_that_is_not_there_is_told_at_once(home, model, said):
    done = command_line("serve", "iris", "--model", model, env={"TABPIPE_HOME": str(home)}, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_a_model_is_named_as_people_name_it_and_a_challenger_is_told(home):
    with Serving(home, "--model", "iris@v0", "serve.challenger.shadow=true") as server:
        assert server.said.startswith("iris v0 (artifact://iris.model:v0) is served at")
        assert "challenger there is none yet; once there is, it is asked everything in the shadow" in server.said
