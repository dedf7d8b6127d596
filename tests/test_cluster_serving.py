"""A server on a real cluster: it answers through its Service, rolls without a lost request, follows the champion."""

import base64
import json
import os
import subprocess
import time

import pytest
import requests

from tabpipe.cluster.forward import forwarded
from tabpipe.cluster.secrets import STORE
from tests.conftest import command_line
from tests.test_cluster_install import CLUSTER_IMAGES, kubectl, mlflow_image  # noqa: F401  # fixtures

pytestmark = pytest.mark.cluster

NAMESPACE = "tabpipe-test-serving"
NAME = "serve-iris"
ROW = {"sepal_length": 6.4, "sepal_width": 2.9, "petal_length": 4.3, "petal_width": 1.3}

LOAD = """
import http.client, json, sys, threading, time
host, seconds = sys.argv[1], float(sys.argv[2])
body = json.dumps({"dataframe_records": [json.loads(sys.argv[3])]})
counts, faults, versions, end = [], [], set(), time.time() + seconds
def ask():
    connection, done = http.client.HTTPConnection(host, 8000, timeout=20), 0
    while time.time() < end:
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                faults.append(f"{answer.status} {said[:200]}")
            versions.add(answer.headers["X-Model-Version"])
            done += 1
            time.sleep(0.01)
        except Exception as error:
            faults.append(repr(error))
            connection.close()
    counts.append(done)
threads = [threading.Thread(target=ask) for _ in range(8)]
print("begun", flush=True)
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(json.dumps({"answered": sum(counts), "faults": faults[:5], "failed": len(faults), "versions": sorted(versions)}))
"""
"""Eight clients in a pod: each keeps its connection, and tries nothing a second time."""


def tabpipe(*arguments, env=None):
    done = command_line(*arguments, env=env, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture(scope="module")
def server_image(kubectl, mlflow_image):  # noqa: F811
    """Arguments that say where the cluster finds the server's image, which is built and brought there."""
    from tabpipe.compile.build_images import SERVER, build

    load = os.environ.get("TABPIPE_TEST_LOAD", "").split()
    if load:
        subprocess.run([*load, build([SERVER])[-1].name], check=True, capture_output=True)
        return []
    build([SERVER], registry=mlflow_image[1], push=True)
    return mlflow_image


@pytest.fixture(scope="module")
def platform(kubectl, mlflow_image):  # noqa: F811
    """MLflow and MinIO in a namespace of their own."""
    images = [word for image in CLUSTER_IMAGES for word in ("--image", image)]
    tabpipe("install", "--only", "platform", "--namespace", NAMESPACE, *mlflow_image, *images)
    yield
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s")


@pytest.fixture(scope="module")
def train(kubectl, platform, tmp_path_factory):  # noqa: F811
    """Trains iris into that MLflow, where the first one becomes the champion."""
    home = tmp_path_factory.mktemp("home")

    def run(*overrides):
        with forwarded(kubectl, "mlflow", 5000, "MLflow", NAMESPACE) as mlflow:
            tabpipe("run", "iris", *overrides, env={"TABPIPE_HOME": str(home), "MLFLOW_TRACKING_URI": mlflow})

    return run


@pytest.fixture(scope="module")
def deploy(train, server_image):
    """Deploys to the namespace, once a champion is there."""
    train()
    settings = ["serve.poll=1", "serve.replicas.min=2", "serve.replicas.max=2"]

    def run(*overrides):
        return tabpipe("deploy", "iris", "--namespace", NAMESPACE, *server_image, *settings, *overrides)

    return run


@pytest.fixture(scope="module")
def deployed(deploy):
    return deploy()


@pytest.fixture
def service(kubectl, deployed):  # noqa: F811
    """The Service's address on this machine."""
    with forwarded(kubectl, NAME, 8000, "the server", NAMESPACE) as url:
        yield url


def pods(kubectl):  # noqa: F811
    found = kubectl.items("get", "pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/instance={NAME}")
    return {pod["metadata"]["name"]: pod for pod in found if not pod["metadata"].get("deletionTimestamp")}


def gone(kubectl, names):  # noqa: F811
    """Waits until pods that were told to end have ended: a way to a Service may lead to one of them."""
    for name in names:
        kubectl("wait", "--for=delete", f"pod/{name}", "-n", NAMESPACE, "--timeout=120s")


def ask(url, **headers):
    return requests.post(f"{url}/invocations", json={"dataframe_records": [ROW]}, headers=headers, timeout=20)


def load(kubectl, seconds):  # noqa: F811
    """Starts eight clients in a pod of the cluster; returns what waits for their report."""
    image = next(iter(pods(kubectl).values()))["spec"]["containers"][0]["image"]
    context = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    shut_in = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    command = ["python", "-c", LOAD, f"{NAME}.{NAMESPACE}", str(seconds), json.dumps(ROW)]
    container = {"name": "load", "image": image, "command": command, "securityContext": shut_in}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "load", "namespace": NAMESPACE},
        "spec": {"restartPolicy": "Never", "securityContext": context, "containers": [container]},
    }
    kubectl("delete", "pod", "load", "-n", NAMESPACE, "--ignore-not-found", "--wait")
    kubectl("create", "--filename", "-", stdin=json.dumps(pod))
    kubectl("wait", "--for=condition=Ready", "pod/load", "-n", NAMESPACE, "--timeout=60s")

    def report():
        kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/load", "-n", NAMESPACE, "--timeout=200s")
        return json.loads(kubectl("logs", "load", "-n", NAMESPACE).splitlines()[-1])

    return report


def test_it_answers_through_its_service(deployed, kubectl, service):  # noqa: F811
    out, err = deployed
    assert "is version 1 (iris.model:v0)" in err and f"deployment/{NAME}" in err
    assert f"http://{NAME}.{NAMESPACE}:8000" in out and "kubectl port-forward" in out
    answer = ask(service, **{"X-Request-Id": "first"})
    assert answer.status_code == 200
    assert answer.json()["predictions"] == ["versicolor"]
    assert (answer.headers["X-Model-Version"], answer.headers["X-Request-Id"]) == ("1", "first")


def test_the_pods_are_as_many_as_wanted_and_shut_in(deployed, kubectl):  # noqa: F811
    deadline = time.monotonic() + 60
    while len(pods(kubectl)) != 2 and time.monotonic() < deadline:
        time.sleep(1)
    running = pods(kubectl)
    assert len(running) == 2
    name = next(iter(running))
    kubectl("wait", "--for=condition=Ready", f"pod/{name}", "-n", NAMESPACE, "--timeout=60s")
    said = kubectl("exec", name, "-n", NAMESPACE, "--", "sh", "-c", "id -u; touch /app/x; ls /var/run/secrets; true")
    assert said.splitlines() == ["10001"]


def test_a_second_deploy_changes_nothing(deploy, kubectl):  # noqa: F811
    before = {name: pod["metadata"]["uid"] for name, pod in pods(kubectl).items()}
    _, err = deploy()
    assert "nothing has changed" in err
    assert {name: pod["metadata"]["uid"] for name, pod in pods(kubectl).items()} == before


def test_a_rolling_update_under_load_loses_no_request(deploy, kubectl, service):  # noqa: F811
    before = set(pods(kubectl))
    report = load(kubectl, 70)
    time.sleep(3)
    _, err = deploy("serve.limits.rows=9000")
    assert "changed: " in err and "configmap/" in err
    said = report()
    assert said["failed"] == 0, said
    assert said["answered"] > 1000
    assert not before & set(pods(kubectl))


def test_a_moved_champion_answers_within_seconds_without_a_lost_request(deploy, train, kubectl, service):  # noqa: F811
    report = load(kubectl, 60)
    train("train.C=20", "promote.margin=-0.0", "promote.gate=manual")
    with forwarded(kubectl, "mlflow", 5000, "MLflow", NAMESPACE) as mlflow:
        moved = {"name": "iris", "alias": "champion", "version": "2"}
        requests.post(f"{mlflow}/api/2.0/mlflow/registered-models/alias", json=moved, timeout=30).raise_for_status()
    began = time.monotonic()
    while ask(service).headers["X-Model-Version"] != "2":
        assert time.monotonic() - began < 15
        time.sleep(0.2)
    said = report()
    assert said["failed"] == 0, said
    assert said["versions"] == ["1", "2"]


def test_what_was_answered_is_in_the_store(kubectl, service):  # noqa: F811
    import boto3

    asked = ask(service, **{"X-Request-Id": "kept"})
    assert asked.status_code == 200
    data = kubectl.json("get", "secret", STORE, "-n", NAMESPACE)["data"]
    access, key = (base64.b64decode(data[name]).decode() for name in ("accesskey", "secretkey"))
    with forwarded(kubectl, "minio", 9000, "MinIO", NAMESPACE) as address:
        store = boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id=access,
            aws_secret_access_key=key,
            region_name="us-east-1",
        )
        deadline = time.monotonic() + 40
        while "kept" not in logged(store) and time.monotonic() < deadline:
            time.sleep(2)
        assert "kept" in logged(store)


def logged(store):
    """The request ids of all that is in the log."""
    import io

    import pandas as pd

    listed = store.list_objects_v2(Bucket="tabpipe", Prefix="requests/iris/").get("Contents", [])
    newest = sorted(listed, key=lambda each: each["LastModified"])[-4:]
    files = [store.get_object(Bucket="tabpipe", Key=each["Key"])["Body"].read() for each in newest]
    return {name for file in files for name in pd.read_parquet(io.BytesIO(file), columns=["request_id"])["request_id"]}


def test_a_secret_with_a_key_is_asked_for(deploy, kubectl):  # noqa: F811
    kubectl("create", "secret", "generic", NAME, "-n", NAMESPACE, "--from-literal=api-key=for-this-test-only")
    before = set(pods(kubectl))
    out, _ = deploy("serve.limits.rows=9000")
    gone(kubectl, before)
    assert "X-API-Key" in out and "for-this-test-only" not in out
    with forwarded(kubectl, NAME, 8000, "the server", NAMESPACE) as url:
        assert ask(url).status_code == 401
        assert ask(url, Authorization="Bearer for-this-test-only").status_code == 200
    kubectl("delete", "secret", NAME, "-n", NAMESPACE)


def test_undeploying_leaves_nothing(deploy, kubectl):  # noqa: F811
    _, err = tabpipe("undeploy", "iris", "--namespace", NAMESPACE)
    assert "7 objects" in err
    kinds = "deployments,services,hpa,pdb,networkpolicies,serviceaccounts,configmaps"
    assert not kubectl.items("get", kinds, "-n", NAMESPACE, "-l", "app.kubernetes.io/name=serve")
    _, err = tabpipe("undeploy", "iris", "--namespace", NAMESPACE)
    assert "nothing of serve-iris is there" in err


def test_a_model_that_is_not_there_is_told_before_anything_is_made(kubectl, platform):  # noqa: F811
    done = command_line("deploy", "nyc_rentals", "--namespace", NAMESPACE, timeout=120)
    assert done.returncode == 2
    assert "nyc_rentals has no champion yet" in done.stderr
    assert not kubectl.items("get", "deployments", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=serve")
