"""The manifests: valid objects, safe containers, nothing of what was replaced, and parts that find each other."""

import ipaddress
import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from components.common.base.errors import Refusal
from tabpipe.cluster import secrets
from tabpipe.install import manifests
from tabpipe.install.apply import within
from tests.conftest import ROOT

KFP = os.environ.get("TABPIPE_KFP_MANIFESTS", "")
OVERLAYS = ["kind", "cluster"]
WHOLE = [pytest.param(name, "", id=name) for name in OVERLAYS]
OURS = [pytest.param(name, "platform", id=f"{name}-platform") for name in OVERLAYS]
OF_V1 = ("cache-server", "cache-deployer-deployment", "metadata-writer", "ml-pipeline-viewer-crd")

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl, whose kustomize renders them")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Objects of an overlay, each rendered once."""
    known = {}

    def get(name, only=""):
        if not only and not KFP:
            pytest.skip("TABPIPE_KFP_MANIFESTS names no copy of Kubeflow's manifests/kustomize at 2.17.0")
        if (name, only) not in known:
            build = tmp_path_factory.mktemp("build")
            folder = manifests.staged(None if only else Path(KFP), build=build)
            objects = [] if only else manifests.render(folder / "kfp" / "cluster-scoped")
            objects += manifests.render(folder / "namespace")
            known[name, only] = objects + manifests.render(manifests.overlay(folder, name, only))
        return known[name, only]

    return get


def of(objects, kind, name=None):
    return [thing for thing in objects if thing["kind"] == kind and name in (None, thing["metadata"]["name"])]


def variables(objects, kind, name):
    pod = of(objects, kind, name)[0]["spec"]["template"]["spec"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in pod["containers"][0].get("env", [])}


@pytest.mark.parametrize("version", ["1.31", "1.34", "1.37"])
@pytest.mark.parametrize(("name", "only"), WHOLE + OURS)
def test_objects_fit_the_schemas_of_kubernetes(rendered, name, only, version):
    import kubernetes_validate

    checked = [thing for thing in rendered(name, only) if thing["kind"] != "CustomResourceDefinition"]
    for thing in checked:
        kubernetes_validate.validate(thing, version, strict=True)
    assert len(checked) >= 15


@pytest.mark.parametrize(("name", "only"), WHOLE + OURS)
def test_nothing_is_left_of_seaweedfs_and_of_known_passwords(rendered, name, only):
    objects = rendered(name, only)
    text = yaml.safe_dump_all(objects).lower()
    assert "seaweed" not in text
    assert "minio123" not in text
    assert not of(objects, "Secret")
    assert "allow_empty_password" not in text


@pytest.mark.parametrize(("name", "only"), WHOLE)
def test_parts_that_only_v1_pipelines_need_are_left_out(rendered, name, only):
    objects = rendered(name, only)
    names = {thing["metadata"]["name"] for thing in objects}
    assert not names & set(OF_V1)
    assert variables(objects, "Deployment", "ml-pipeline")["ML_PIPELINE_VISUALIZATIONSERVER_SERVICE_HOST"]
    deployments = {thing["metadata"]["name"] for thing in of(objects, "Deployment")}
    assert deployments == {
        "metadata-envoy-deployment",
        "metadata-grpc-deployment",
        "ml-pipeline",
        "ml-pipeline-persistenceagent",
        "ml-pipeline-scheduledworkflow",
        "ml-pipeline-ui",
        "mlflow",
        "mysql",
        "workflow-controller",
    }


@pytest.mark.parametrize(("name", "only"), WHOLE + OURS)
def test_what_is_named_is_there(rendered, name, only):
    objects = rendered(name, only)
    there = {(thing["kind"], thing["metadata"]["name"]) for thing in objects}
    for binding in of(objects, "RoleBinding"):
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in there
        for subject in binding["subjects"]:
            assert subject["kind"] == "Group" or ("ServiceAccount", subject["name"]) in there
    for pod in manifests.pod_specs(objects):
        assert pod.get("serviceAccountName") is None or ("ServiceAccount", pod["serviceAccountName"]) in there
        for volume in pod.get("volumes", []):
            source = volume.get("configMap")
            assert not source or source.get("optional") or ("ConfigMap", source["name"]) in there
    for container in manifests.containers(objects):
        for variable in container.get("env", []):
            source = variable.get("valueFrom", {})
            if "secretKeyRef" in source:
                assert source["secretKeyRef"]["key"] in secrets.KEYS[source["secretKeyRef"]["name"]]
            if "configMapKeyRef" in source and not source["configMapKeyRef"].get("optional"):
                held = of(objects, "ConfigMap", source["configMapKeyRef"]["name"])[0]
                assert source["configMapKeyRef"]["key"] in held["data"]


@pytest.mark.parametrize(("name", "only"), OURS)
def test_our_containers_are_shut_in(rendered, name, only):
    objects = rendered(name, only)
    for pod in manifests.pod_specs(objects):
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert pod["securityContext"]["runAsUser"] > 0
    for container in manifests.containers(objects):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
        assert "memory" in container["resources"]["limits"]
    for thing in [*of(objects, "Deployment"), *of(objects, "StatefulSet")]:
        container = thing["spec"]["template"]["spec"]["containers"][0]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


@pytest.mark.parametrize(("name", "only"), WHOLE + OURS)
def test_all_pods_pass_the_restricted_standard(rendered, name, only):
    objects = rendered(name, only)
    assert of(objects, "Namespace")[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in manifests.pod_specs(objects):
        context = pod.get("securityContext", {})
        assert not any(pod.get(key) for key in ("hostNetwork", "hostPID", "hostIPC"))
        assert all("hostPath" not in volume for volume in pod.get("volumes", []))
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            own = container["securityContext"]
            assert own.get("runAsNonRoot", context.get("runAsNonRoot")) is True
            assert own.get("runAsUser", context.get("runAsUser", 1)) != 0
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert own.get("seccompProfile", context.get("seccompProfile")) == {"type": "RuntimeDefault"}


@pytest.mark.parametrize(("name", "only"), WHOLE)
def test_every_part_has_bounds(rendered, name, only):
    for container in manifests.containers(rendered(name, only)):
        assert "memory" in container["resources"]["limits"], container["name"]
        assert "memory" in container["resources"]["requests"], container["name"]


@pytest.mark.parametrize(("name", "only"), OURS)
def test_what_holds_data_has_a_volume_and_is_not_drained_unasked(rendered, name, only):
    objects = rendered(name, only)
    budgets = {budget["metadata"]["name"]: budget["spec"] for budget in of(objects, "PodDisruptionBudget")}
    for thing in of(objects, "StatefulSet"):
        assert thing["spec"]["volumeClaimTemplates"]
        budget = budgets[thing["metadata"]["name"]]
        assert budget["minAvailable"] == 1
        labels = thing["spec"]["template"]["metadata"]["labels"]
        assert budget["selector"]["matchLabels"].items() <= labels.items()


STEP = {"pipelines.kubeflow.org/v2_component": "true", "workflows.argoproj.io/workflow": "x"}
REACH = [
    pytest.param("step", "minio", 9000, True, id="step-minio"),
    pytest.param("step", "mlflow", 5000, True, id="step-mlflow"),
    pytest.param("step", "mlflow-database", 5432, False, id="step-mlflow-database"),
    pytest.param("step", "mysql", 3306, False, id="step-mysql"),
    pytest.param("step", "minio", 9001, False, id="step-console"),
    pytest.param("ml-pipeline-ui", "minio", 9000, True, id="ui-minio"),
    pytest.param("ml-pipeline-ui", "mysql", 3306, False, id="ui-mysql"),
    pytest.param("ml-pipeline", "minio", 9000, True, id="api-minio"),
    pytest.param("ml-pipeline", "mlflow", 5000, True, id="api-mlflow"),
    pytest.param("ml-pipeline", "mysql", 3306, True, id="api-mysql"),
    pytest.param("metadata-grpc-deployment", "mysql", 3306, True, id="metadata-mysql"),
    pytest.param("mlflow", "minio", 9000, True, id="mlflow-minio"),
    pytest.param("mlflow", "mlflow-database", 5432, True, id="mlflow-database"),
    pytest.param("minio-buckets", "minio", 9000, True, id="buckets-minio"),
    pytest.param("stranger", "minio", 9000, False, id="stranger-minio"),
    pytest.param("stranger", "mlflow", 5000, False, id="stranger-mlflow"),
    pytest.param("stranger", "mlflow-database", 5432, False, id="stranger-mlflow-database"),
    pytest.param("stranger", "ml-pipeline-ui", 3000, True, id="stranger-ui"),
]


def template(objects, name):
    """A workload's pod: its labels and its ports by name."""
    for kind in ("Deployment", "StatefulSet", "Job"):
        for thing in of(objects, kind, name):
            pod = thing["spec"]["template"]
            ports = {port.get("name"): port["containerPort"] for port in pod["spec"]["containers"][0].get("ports", [])}
            return pod["metadata"]["labels"], ports
    return {"step": (STEP, {}), "stranger": ({"app": "stranger"}, {})}[name]


def selects(selector, labels):
    for rule in selector.get("matchExpressions", []):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return selector.get("matchLabels", {}).items() <= labels.items()


def allowed(objects, source, target, port):
    """Whether the policies let a connection in; the source is a pod's labels, or an address outside."""
    labels, ports = template(objects, target)
    mine = [each["spec"] for each in of(objects, "NetworkPolicy") if selects(each["spec"]["podSelector"], labels)]

    def from_there(peer):
        if "ipBlock" in peer:
            if isinstance(source, dict):
                return False
            inside = ipaddress.ip_address(source) in ipaddress.ip_network(peer["ipBlock"]["cidr"])
            out = [ipaddress.ip_network(network) for network in peer["ipBlock"].get("except", [])]
            return inside and not any(ipaddress.ip_address(source) in network for network in out)
        if "namespaceSelector" in peer:  # all sources here are pods of the namespace, or no pods
            return False
        return isinstance(source, dict) and selects(peer["podSelector"], source)

    return not mine or any(
        any(from_there(peer) for peer in rule["from"])
        and ("ports" not in rule or any(ports.get(each["port"], each["port"]) == port for each in rule["ports"]))
        for spec in mine
        for rule in spec["ingress"]
    )


@pytest.mark.parametrize(("source", "target", "port", "may"), REACH)
@pytest.mark.parametrize(("name", "only"), WHOLE)
def test_who_may_reach_what(rendered, name, only, source, target, port, may):
    objects = rendered(name, only)
    assert allowed(objects, template(objects, source)[0], target, port) is may


def test_on_kind_a_person_reaches_what_has_a_port_and_a_pod_does_not(rendered):
    objects = rendered("kind", "platform")
    for target, port in (("minio", 9000), ("minio", 9001), ("mlflow", 5000)):
        assert allowed(objects, "172.18.0.1", target, port)
        assert allowed(objects, "10.244.0.1", target, port)
        assert not allowed(objects, "10.244.0.17", target, port)
    assert not allowed(objects, "172.18.0.1", "mlflow-database", 5432)
    assert not allowed(rendered("cluster", "platform"), "172.18.0.1", "minio", 9000)


def test_ports_of_the_kind_cluster_lead_to_services(rendered):
    kind = yaml.safe_load((ROOT / "kind-cluster.yaml").read_text())
    mapped = {each["containerPort"]: each for each in kind["nodes"][0]["extraPortMappings"]}
    assert {each["listenAddress"] for each in mapped.values()} == {"127.0.0.1"}
    objects = rendered("kind", "platform") + ([] if not KFP else of(rendered("kind"), "Service", "ml-pipeline-ui"))
    ports = {
        port["nodePort"]: thing
        for thing in of(objects, "Service")
        for port in thing["spec"]["ports"]
        if "nodePort" in port
    }
    assert set(ports) == set(mapped) - ({30800} if KFP else {30800, 30080})
    for thing in ports.values():
        address = thing["metadata"]["annotations"]["tabpipe/address"]
        reached = [each["containerPort"] for each in mapped.values() if address.endswith(f":{each['hostPort']}")]
        assert [ports[port]["metadata"]["name"] for port in reached] == [thing["metadata"]["name"]]
    assert kind["networking"]["podSubnet"] in str(of(objects, "NetworkPolicy", "minio"))


def test_on_kind_the_mlflow_plugin_knows_where_people_look():
    base = json.loads((ROOT / "manifests/kfp/config.json").read_text())
    kind = json.loads((ROOT / "manifests/overlays/kind/config.json").read_text())
    added = {"kfpBaseURL": "http://localhost:8080", "mlflowBaseURL": "http://localhost:5050"}
    base["plugins"]["mlflow"]["settings"] |= added
    assert kind == base


@pytest.mark.parametrize(("name", "only"), WHOLE)
def test_all_of_kubeflow_keeps_its_files_in_minio(rendered, name, only):
    objects = rendered(name, only)
    service = of(objects, "Service", "minio")[0]
    assert 9000 in [port["port"] for port in service["spec"]["ports"]]
    api, ui = (variables(objects, "Deployment", part) for part in ("ml-pipeline", "ml-pipeline-ui"))
    assert (api["OBJECTSTORECONFIG_HOST"], api["OBJECTSTORECONFIG_PORT"]) == ("minio.kubeflow", "9000")
    assert (ui["MINIO_HOST"], ui["MINIO_PORT"]) == ("minio", "9000")
    launcher = of(objects, "ConfigMap", "kfp-launcher")[0]["data"]
    store = yaml.safe_load(launcher["providers"])["minio"]["default"]
    assert store["endpoint"] == "minio.kubeflow:9000"
    assert store["credentials"]["secretRef"]["secretName"] == secrets.STORE
    argo = yaml.safe_load(of(objects, "ConfigMap", "workflow-controller-configmap")[0]["data"]["artifactRepository"])
    assert argo["archiveLogs"] is True
    assert argo["s3"]["endpoint"] == "minio.kubeflow.svc:9000"
    assert ui["ARGO_KEYFORMAT"] == argo["s3"]["keyFormat"]
    buckets = set(of(objects, "Job")[0]["spec"]["template"]["spec"]["containers"][0]["command"][2:])
    assert {"mlpipeline", "mlflow", "tabpipe"} == buckets
    assert argo["s3"]["bucket"] in buckets
    assert launcher["defaultPipelineRoot"].split("/")[2] in buckets


@pytest.mark.parametrize(("name", "only"), WHOLE)
def test_kubeflow_has_its_mlflow_plugin_pointed_at_mlflow(rendered, name, only):
    objects = rendered(name, only)
    pod = of(objects, "Deployment", "ml-pipeline")[0]["spec"]["template"]["spec"]
    mount = next(each for each in pod["containers"][0]["volumeMounts"] if each["mountPath"] == "/config/config.json")
    volume = next(each for each in pod["volumes"] if each["name"] == mount["name"])
    config = json.loads(of(objects, "ConfigMap", volume["configMap"]["name"])[0]["data"][mount["subPath"]])
    plugin = config["plugins"]["mlflow"]
    assert plugin["settings"]["injectUserEnvVars"] is False  # or no step could start while MLflow is away
    service, port = re.fullmatch(r"http://([a-z-]+)\.kubeflow:(\d+)", plugin["endpoint"]).groups()
    assert [each["port"] for each in of(objects, "Service", service)[0]["spec"]["ports"]] == [int(port)]
    hosts = variables(objects, "Deployment", "mlflow")["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert f"{service}.$(NAMESPACE):{port}" in hosts
    assert variables(objects, "Deployment", "workflow-controller")["DEFAULT_REQUEUE_TIME"] == "1s"


def test_the_documented_overlay_of_ones_own_works(tmp_path):
    if not KFP:
        pytest.skip("TABPIPE_KFP_MANIFESTS names no copy of Kubeflow's manifests/kustomize at 2.17.0")
    (text,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "cluster.md").read_text(), re.S | re.M)
    folder = manifests.staged(Path(KFP), build=tmp_path)
    (folder / "overlays" / "ours").mkdir()
    (folder / "overlays" / "ours" / "kustomization.yaml").write_text(text)
    objects = manifests.render(manifests.overlay(folder, "ours", ""))
    for name in ("minio", "mlflow-database"):
        claim = of(objects, "StatefulSet", name)[0]["spec"]["volumeClaimTemplates"][0]
        assert claim["spec"]["storageClassName"] == "fast"
    mlflow = variables(objects, "Deployment", "mlflow")
    assert mlflow["MLFLOW_SERVER_ALLOWED_HOSTS"].startswith("mlflow.example.org,")
    assert mlflow["DATABASE_HOST"] == "mlflow-database"
    assert of(objects, "Deployment", "mlflow")[0]["spec"]["template"]["spec"]["imagePullSecrets"]
    assert allowed(objects, "10.0.0.3", "mlflow", 5000)
    assert not allowed(objects, "10.0.1.3", "mlflow", 5000)
    assert (
        of(objects, "Service", "mlflow")[0]["metadata"]["annotations"]["tabpipe/address"]
        == "https://mlflow.example.org"
    )


@pytest.mark.parametrize("folder", ["kfp/upstream", "kfp/cluster-scoped/upstream"])
def test_kubeflows_own_manifests_are_named_by_their_version_and_nothing_else(folder):
    text = yaml.safe_load((ROOT / "manifests" / folder / "kustomization.yaml").read_text())
    assert set(text) == {"apiVersion", "kind", "resources"}
    assert all("github.com/kubeflow/pipelines" in each and "ref=2.17.0" in each for each in text["resources"])


def test_a_folder_that_is_not_kubeflows_is_refused(tmp_path):
    with pytest.raises(Refusal, match="no copy of Kubeflow's manifests"):
        manifests.staged(tmp_path, build=tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_kubeflows_manifests_out_of_reach_are_told(monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(Refusal, match=r"cannot be fetched: unable to access(.|\n)*KFP_MANIFESTS"):
        manifests.render(ROOT / "manifests" / "kfp" / "cluster-scoped")


def test_an_unknown_overlay_is_refused_with_the_nearest_one():
    with pytest.raises(Refusal, match="did you mean 'cluster'"):
        manifests.overlay(ROOT / "manifests", "clusters", "")


@pytest.mark.parametrize(
    ("image", "images", "expected"),
    [
        pytest.param("a/b:1", {"a/b": "r/b"}, "r/b:1", id="keeps-its-tag"),
        pytest.param("a/b:1", {"a/b": "r/b:2"}, "r/b:2", id="new-tag"),
        pytest.param("a/b:1", {"a/b:1": "r/b:2"}, "r/b:2", id="by-tag"),
        pytest.param("a/b:1", {"a/b:3": "r/b:2"}, "a/b:1", id="another-tag"),
        pytest.param("r:5000/a/b", {"r:5000/a/b": "c/d"}, "c/d", id="registry-with-port"),
        pytest.param("a/b@sha256:12", {"a/b": "r/b"}, "r/b@sha256:12", id="digest"),
        pytest.param("a/bc:1", {"a/b": "r/b"}, "a/bc:1", id="only-whole-names"),
        pytest.param("mysql:8.4", {"mysql": "r/mysql"}, "r/mysql:8.4", id="one-word"),
    ],
)
def test_an_image_is_replaced(image, images, expected):
    variable = {"name": "V2_LAUNCHER_IMAGE", "value": image}
    container = {"image": image, "args": ["--executor-image", image], "env": [variable, {"name": "other"}]}
    objects = [{"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}]
    manifests.put_images(objects, images)
    assert (container["image"], container["args"][1], variable["value"]) == (expected,) * 3


@pytest.mark.parametrize("text", ["minio", "=x", "x="])
def test_a_replacement_written_otherwise_is_refused(text):
    with pytest.raises(Refusal, match="OLD=NEW"):
        manifests.replaced([text], "")


@pytest.mark.parametrize(
    ("wanted", "present", "is_within"),
    [
        pytest.param({"a": 1}, {"a": 1, "b": 2}, True, id="more-is-there"),
        pytest.param({"a": {"b": [1]}}, {"a": {"b": [2]}}, False, id="deep"),
        pytest.param({"a": [1]}, {"a": [1, 2]}, False, id="longer-list"),
        pytest.param({"a": 1}, {}, False, id="absent"),
    ],
)
def test_what_is_wanted_is_compared_with_what_is_there(wanted, present, is_within):
    assert within(wanted, present) is is_within
