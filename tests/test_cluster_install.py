"""The install, on a real cluster and on none: what it makes, that it makes it once, and what it says of what fails."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tabpipe.cluster import kubectl as program
from tabpipe.install.parts import part_of
from tests.conftest import command_line

NAMESPACE = "tabpipe-test"
CLUSTER_IMAGES = os.environ.get("TABPIPE_TEST_IMAGES", "").split()
"""`OLD=NEW`, where the cluster has images by other names."""


def tabpipe(*arguments, env=None):
    done = command_line(*arguments, env=env, timeout=280)
    return done.returncode, done.stdout, done.stderr


needs_kubectl = pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl")


@pytest.fixture(scope="module")
def kubectl():
    """The cluster that KUBECONFIG names."""
    from components.common.base.errors import Refusal
    from tabpipe.install.access import check_server

    try:
        program.check_version()
        found = program.current()
        check_server(found)
    except Refusal as refusal:
        pytest.skip(f"no cluster: {refusal.problem}")
    return found


@pytest.fixture(scope="module")
def mlflow_image(kubectl):
    """Arguments that say where the cluster finds MLflow's image, which is built and brought there."""
    from components.common.base.errors import Refusal
    from tabpipe.compile.build_images import MLFLOW, build, engine

    try:
        engine()
    except Refusal as refusal:
        pytest.skip(f"MLflow's image cannot be built: {refusal.problem}")
    load = os.environ.get("TABPIPE_TEST_LOAD", "").split()
    if load:
        subprocess.run([*load, build([MLFLOW])[-1].name], check=True, capture_output=True)
        return []
    told = kubectl.json("get", "configmap", "local-registry-hosting", "-n", "kube-public", "--ignore-not-found")
    if not told:
        pytest.skip("TABPIPE_TEST_LOAD names no program that hands an image to the cluster, which has no registry")
    registry = yaml.safe_load(told["data"]["localRegistryHosting.v1"])["host"]
    build([MLFLOW], registry=registry, push=True)
    return ["--registry", registry]


@pytest.fixture(scope="module")
def install(kubectl, mlflow_image):
    """Installs what is ours to a namespace of its own; the last --image of a name holds."""
    images = [word for image in CLUSTER_IMAGES for word in ("--image", image)]

    def run(*arguments, timeout=200):
        only = ["--only", "platform", "--namespace", NAMESPACE, "--timeout", str(timeout)]
        return tabpipe("install", *only, *mlflow_image, *images, *arguments)

    def remove():
        kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=120s")

    remove()
    yield run
    remove()


@pytest.fixture(scope="module")
def installed(install):
    code, out, err = install()
    assert code == 0, err
    return out, err


@contextlib.contextmanager
def forwarded(kubectl, service, port):
    """The address of a Service, on this machine."""
    command = ["kubectl", "--context", kubectl.context, "port-forward", "-n", NAMESPACE, f"service/{service}"]
    process = subprocess.Popen([*command, f":{port}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        line = process.stdout.readline()
        yield "http://127.0.0.1:" + re.search(r"127\.0\.0\.1:(\d+)", line)[1]
    finally:
        process.terminate()
        process.wait(20)


def secret(kubectl, name):
    return kubectl.json("get", "secret", name, "-n", NAMESPACE)["data"]


def keys_of_the_store(kubectl):
    import base64

    data = secret(kubectl, "mlpipeline-minio-artifact")
    return {
        "aws_access_key_id": base64.b64decode(data["accesskey"]).decode(),
        "aws_secret_access_key": base64.b64decode(data["secretkey"]).decode(),
        "region_name": "us-east-1",
    }


@pytest.mark.cluster
def test_all_parts_become_ready_and_are_told(installed, kubectl):
    out, err = installed
    assert f"Installing to {kubectl.context} ({kubectl.server}" in err
    assert "All 4 parts are ready" in err
    for part in ("deployment/mlflow", "statefulset/minio", "statefulset/mlflow-database", "job/minio-buckets"):
        assert re.search(rf"{part}\s+ready", err)
    assert "kubectl port-forward" in out
    pods = kubectl.items("get", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=mlflow")
    assert len([pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]) == 2


@pytest.mark.cluster
def test_a_second_install_changes_nothing(installed, install, kubectl):
    def state():
        listed = kubectl.items(
            "get", "deployments,statefulsets,jobs,pods,services,secrets,pvc,networkpolicies,pdb", "-n", NAMESPACE
        )
        return {
            (thing["kind"], thing["metadata"]["name"]): (
                thing["metadata"]["uid"],
                thing["metadata"].get("generation"),
                thing.get("data"),
            )
            for thing in listed
        }

    before = state()
    code, _, err = install()
    assert code == 0, err
    assert "nothing has changed" in err
    assert "passwords made" not in err
    assert state() == before


@pytest.mark.cluster
def test_no_password_is_shown(installed, kubectl):
    import base64

    shown = "".join(installed)
    for name in ("mlpipeline-minio-artifact", "mlflow-database"):
        for value in secret(kubectl, name).values():
            assert len(base64.b64decode(value)) >= 20
            assert value not in shown
            assert base64.b64decode(value).decode() not in shown
    for pod in kubectl.items("get", "pods", "-n", NAMESPACE):
        for container in pod["spec"]["containers"]:
            logs = kubectl("logs", pod["metadata"]["name"], "-c", container["name"], "-n", NAMESPACE)
            for name in ("mlpipeline-minio-artifact", "mlflow-database"):
                for key in secret(kubectl, name):
                    assert base64.b64decode(secret(kubectl, name)[key]).decode() not in logs


@pytest.mark.cluster
def test_a_run_and_its_file_are_kept_and_outlive_all_pods(installed, install, kubectl, tmp_path, monkeypatch):
    import boto3
    import mlflow

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    note = tmp_path / "note.txt"
    note.write_text("kept")
    with forwarded(kubectl, "mlflow", 5000) as address:
        client = mlflow.MlflowClient(address)
        experiment = client.create_experiment(f"test {time.time_ns()}")
        run = client.create_run(experiment).info
        client.log_metric(run.run_id, "auc", 0.1 + 0.2)
        mlflow.set_tracking_uri(address)
        client.log_artifact(run.run_id, str(note))
        client.set_terminated(run.run_id)
    with forwarded(kubectl, "minio", 9000) as address:
        store = boto3.client("s3", endpoint_url=address, **keys_of_the_store(kubectl))
        assert {"mlflow", "mlpipeline", "tabpipe"} == {each["Name"] for each in store.list_buckets()["Buckets"]}
        listed = [each["Key"] for each in store.list_objects_v2(Bucket="mlflow")["Contents"]]
        (key,) = [name for name in listed if run.run_id in name]
        assert store.get_object(Bucket="mlflow", Key=key)["Body"].read() == b"kept"
    kubectl("delete", "pods", "--all", "-n", NAMESPACE, "--wait")
    code, _, err = install()
    assert code == 0, err
    with forwarded(kubectl, "mlflow", 5000) as address:
        client = mlflow.MlflowClient(address)
        assert client.get_run(run.run_id).data.metrics == {"auc": 0.1 + 0.2}
        mlflow.set_tracking_uri(address)
        fetched = client.download_artifacts(run.run_id, "note.txt", str(tmp_path))
        assert Path(fetched).read_text() == "kept"


@pytest.mark.cluster
def test_an_image_that_is_nowhere_is_named_and_mended_by_the_next_install(installed, install, kubectl):
    code, _, err = install("--image", "tabpipe/mlflow=tabpipe/mlflow:nowhere", timeout=15)
    assert code == 2
    assert re.search(r"deployment/mlflow: (ErrImagePull|ImagePullBackOff|ErrImageNeverPull)", err), err
    assert "tabpipe/mlflow:nowhere" in err
    assert "make images PUSH=1" in err
    # what worked before still does: the old pods stay until the new ones are ready
    with forwarded(kubectl, "mlflow", 5000) as address:
        import requests

        assert requests.get(f"{address}/health", timeout=10).text == "OK"
    code, _, err = install()
    assert code == 0, err
    assert "changed: deployment/mlflow" in err


@pytest.mark.cluster
def test_a_part_that_crashes_is_named_with_its_last_words(installed, install, kubectl):
    image = kubectl.json("get", "statefulset", "minio", "-n", NAMESPACE)["spec"]["template"]["spec"]["containers"][0][
        "image"
    ]
    code, _, err = install("--image", f"postgres={image}", timeout=25)
    assert code == 2
    assert re.search(r"statefulset/mlflow-database: .*restarted \d+ times", err), err
    assert re.search(r"\n +\| +\S", err), err
    code, _, err = install()
    assert code == 0, err


@pytest.mark.cluster
def test_a_secret_that_is_gone_while_its_database_stays_is_refused(installed, install, kubectl):
    kept = kubectl.json("get", "secret", "mlflow-database", "-n", NAMESPACE)
    for field in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        kept["metadata"].pop(field, None)
    kubectl("delete", "secret", "mlflow-database", "-n", NAMESPACE)
    try:
        code, _, err = install()
        assert code == 2
        assert f"Secret {NAMESPACE}/mlflow-database: it is gone" in err
        assert "data-mlflow-database-0" in err
    finally:
        kubectl("create", "-f", "-", stdin=json.dumps(kept))
    code, _, err = install()
    assert code == 0, err


@pytest.mark.cluster
def test_what_somebody_else_has_set_is_taken_over_only_by_force(installed, install, kubectl):
    patch = json.dumps({"spec": {"ports": [{"port": 9000, "name": "api", "targetPort": 9001}]}})
    kubectl("patch", "service", "minio-service", "-n", NAMESPACE, "--field-manager=somebody", "-p", patch)
    code, _, err = install()
    assert code == 2
    assert "targetPort" in err
    assert "somebody" in err
    assert "ARGS=--force" in err
    code, _, err = install("--force")
    assert code == 0, err
    assert "changed: service/minio-service" in err
    service = kubectl.json("get", "service", "minio-service", "-n", NAMESPACE)
    assert service["spec"]["ports"][0]["targetPort"] == "api"


@pytest.mark.cluster
def test_pods_that_could_harm_the_node_are_refused(installed, kubectl):
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "root", "image": "postgres:17", "securityContext": {"privileged": True}}]},
    }
    with pytest.raises(program.Failed, match="violates PodSecurity"):
        kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


@pytest.mark.cluster
def test_lacking_rights_are_named_before_anything_is_made(installed, kubectl, tmp_path):
    kubectl("create", "serviceaccount", "nobody", "-n", NAMESPACE)
    token = kubectl("create", "token", "nobody", "-n", NAMESPACE).strip()
    config = json.loads(program.run("config", "view", "--minify", "--raw", "--flatten", "-o", "json"))
    config["users"] = [{"name": config["contexts"][0]["context"]["user"], "user": {"token": token}}]
    (tmp_path / "config").write_text(json.dumps(config))
    code, _, err = tabpipe(
        "install", "--only", "platform", "--namespace", "tabpipe-nobody", env={"KUBECONFIG": str(tmp_path / "config")}
    )
    assert code == 2
    assert "the cluster does not allow it" in err
    assert "create, get, patch statefulsets.apps" in err
    assert "namespaces (whole cluster)" in err
    assert not kubectl.json("get", "namespace", "tabpipe-nobody", "--ignore-not-found")


# Without a cluster.


@needs_kubectl
def test_no_kubeconfig_is_refused(tmp_path):
    code, _, err = tabpipe("install", env={"KUBECONFIG": str(tmp_path / "none")})
    assert code == 2
    assert "KUBECONFIG: there is no cluster to talk to" in err
    assert "make cluster" in err


@needs_kubectl
@pytest.mark.parametrize("context", ["", "other"], ids=["current", "unknown"])
def test_a_cluster_that_is_away_or_unknown_is_refused(tmp_path, context):
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "away",
        "contexts": [{"name": "away", "context": {"cluster": "away", "user": "me"}}],
        "clusters": [{"name": "away", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "me", "user": {"token": "none"}}],
    }
    (tmp_path / "config").write_text(yaml.safe_dump(config))
    code, _, err = tabpipe("install", "--context", context, env={"KUBECONFIG": str(tmp_path / "config")})
    assert code == 2
    assert ("context away: the cluster does not answer" if not context else "locate context other") in err


@pytest.mark.parametrize(
    ("command", "lacking"),
    [
        pytest.param(["install"], "there is no kubectl", id="install"),
        pytest.param(["cluster", "up"], "there is no kind", id="cluster-up"),
        pytest.param(["cluster", "down"], "there is no kind", id="cluster-down"),
    ],
)
def test_a_program_that_lacks_is_named_with_where_to_get_it(tmp_path, command, lacking):
    code, _, err = tabpipe(*command, env={"PATH": str(tmp_path)})
    assert code == 2
    assert lacking in err
    assert "https://" in err


def test_another_namespace_for_kubeflow_is_refused():
    code, _, err = tabpipe("install", "--namespace", "mine")
    assert code == 2
    assert "--only platform" in err


POD = {"metadata": {"name": "x-1", "labels": {"app": "x"}}, "status": {}}
WORKLOAD = {
    "kind": "Deployment",
    "metadata": {"name": "x", "generation": 1},
    "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}},
    "status": {"observedGeneration": 1},
}


def container(state, last=None, restarts=0, ready=False):
    return {
        "name": "c",
        "image": "i:1",
        "state": state,
        "lastState": last or {},
        "restartCount": restarts,
        "ready": ready,
    }


@pytest.mark.parametrize(
    ("status", "state", "words"),
    [
        pytest.param(
            {"conditions": [{"type": "PodScheduled", "reason": "Unschedulable", "message": "0/1 nodes: no memory"}]},
            "waiting",
            "0/1 nodes: no memory",
            id="no-node",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    container(
                        {"waiting": {"reason": "CrashLoopBackOff"}},
                        {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
                        restarts=4,
                    )
                ]
            },
            "failing",
            "restarted 4 times: OOMKilled, exit code 137",
            id="out-of-memory",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    container(
                        {"running": {}}, {"terminated": {"reason": "Error", "exitCode": 1}}, restarts=1, ready=False
                    )
                ]
            },
            "waiting",
            "restarted 1 times: Error, exit code 1",
            id="one-crash-is-no-failure",
        ),
        pytest.param(
            {
                "containerStatuses": [
                    container({"waiting": {"reason": "CreateContainerConfigError", "message": "no s"}})
                ]
            },
            "failing",
            "CreateContainerConfigError: no s",
            id="no-secret",
        ),
        pytest.param({"containerStatuses": [container({"running": {}})]}, "waiting", "c is starting", id="starting"),
    ],
)
def test_what_a_pod_says_of_its_part(status, state, words):
    part = part_of("deployment/x", WORKLOAD, [{**POD, "status": status}])
    assert (part.state, words in part.note) == (state, True), part


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        pytest.param({"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1}, True, id="all"),
        pytest.param({"observedGeneration": 0, "updatedReplicas": 1, "availableReplicas": 1}, False, id="not-seen-yet"),
        pytest.param(
            {"observedGeneration": 1, "updatedReplicas": 0, "availableReplicas": 1}, False, id="old-pods-only"
        ),
        pytest.param({"observedGeneration": 1, "updatedReplicas": 1}, False, id="none-available"),
    ],
)
def test_a_deployment_is_ready_when_its_new_pods_are(status, ready):
    assert (part_of("deployment/x", {**WORKLOAD, "status": status}, []).state == "ready") is ready
