"""Artifact stores to test on: a folder, and a bucket of a real MinIO where there is one."""

import contextlib
import logging
import os
import shutil
import subprocess
import sys
import time
import urllib.request
import uuid

import pytest

from bench.serving.servers import free_port
from tests.conftest import ROOT

MINIO = os.environ.get("TABPIPE_TEST_MINIO") or shutil.which("minio")
NO_MINIO = "needs MinIO: name its program with TABPIPE_TEST_MINIO, or put it on the PATH"
KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "tester-secret", "AWS_DEFAULT_REGION": "us-east-1"}


class Minio:
    """A MinIO of its own in a folder, on a free port of this machine."""

    def __init__(self, folder):
        self.folder, self.process = folder, None
        self.address = f"127.0.0.1:{free_port()}"
        self.start()

    def start(self):
        secrets = {"MINIO_ROOT_USER": KEYS["AWS_ACCESS_KEY_ID"], "MINIO_ROOT_PASSWORD": KEYS["AWS_SECRET_ACCESS_KEY"]}
        self.process = subprocess.Popen(
            [MINIO, "server", str(self.folder / "data"), "--address", self.address, "--console-address", "127.0.0.1:0"],
            env={**os.environ, **secrets, "HOME": str(self.folder), "MINIO_BROWSER": "off", "MINIO_UPDATE": "off"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        ready = f"http://{self.address}/minio/health/ready"
        for _ in range(300):
            with contextlib.suppress(OSError):
                if direct.open(ready, timeout=1).status == 200:
                    return
            assert self.process.poll() is None, "MinIO ended"
            time.sleep(0.1)
        raise AssertionError("MinIO did not become ready in 30 s")

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def environment(self):
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://{self.address}", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


@pytest.fixture(name="minio", scope="session")
def minio_server(tmp_path_factory):
    if not MINIO:
        pytest.skip(NO_MINIO)
    server = Minio(tmp_path_factory.mktemp("minio"))
    yield server
    server.kill()


@pytest.fixture(name="moto", scope="session")
def moto_server():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield {**KEYS, "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()), "NO_PROXY": "127.0.0.1"}
    server.stop()


def bucket_url(environment, monkeypatch):
    """Points the environment to a server and gives a fresh prefix in its bucket."""
    import boto3

    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
        client.create_bucket(Bucket="tabpipe")
    return f"s3://tabpipe/{uuid.uuid4().hex}/artifacts"


@pytest.fixture(name="url", params=["folder", "s3"])
def any_url(request, tmp_path, monkeypatch):
    """A store in a folder, and one in MinIO; where there is none, in moto's S3."""
    if request.param == "folder":
        return str(tmp_path / "store")
    server = request.getfixturevalue("minio").environment if MINIO else request.getfixturevalue("moto")
    return bucket_url(server, monkeypatch)


@pytest.fixture(name="real_url", params=["folder", "minio"])
def any_real_url(request, tmp_path, monkeypatch):
    """The same for tests of writers at once: moto looks and then writes, which is no condition."""
    if request.param == "folder":
        return str(tmp_path / "store")
    return bucket_url(request.getfixturevalue("minio").environment, monkeypatch)


def write(path, text):
    """Writes a text to a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def keys(store, *prefixes):
    """The keys of a store; of all of it by default."""
    return [found.key for prefix in prefixes or ("objects/", "names/") for found in store.place.keys(prefix)]


def started(code, *arguments):
    """Starts Python code in a process of its own, which finds the project; `arguments` are its sys.argv[1:]."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def ended(process):
    """What a started process has printed, once it has ended well."""
    printed, _ = process.communicate(timeout=200)
    assert process.returncode == 0, printed
    return printed


def overwrite(store, key, change):
    """Changes bytes in a store behind its back; None deletes them."""
    data = store.place.read(key)
    store.place.delete([key])
    if change is not None:
        assert store.place.create(key, change(data))


def flip(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
