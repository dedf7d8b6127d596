"""The objects of a deployed server: valid, shut in, and made of the section `serve`."""

import copy
import functools
import json
import re
import shutil

import pytest
import yaml

from components.common.base.errors import Refusal
from components.common.config.base import accept
from components.common.config.cluster import Cluster
from components.common.config.serve import Serve
from tabpipe.cluster.secrets import KEYS
from tabpipe.install import manifests
from tabpipe.serving import kubernetes_objects
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl, whose kustomize renders them")

OVERLAYS = ["", "kind", "kserve"]


@pytest.fixture(scope="module", autouse=True)
def rendered_once():
    """Each folder is rendered once: kustomize takes longer than what is tested."""
    render = functools.cache(manifests.render)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifests, "render", lambda folder: copy.deepcopy(render(folder)))
        yield


def rendered(overlay="", serve=None, cluster=None, replicas=2, **told):
    settings = (accept(Serve, serve or {}, "serve"), accept(Cluster, cluster or {}, "cluster"))
    about = {"image": "r/tabpipe/server:1", "namespace": "models", "model": "models:/my_case@champion", **told}
    return kubernetes_objects.objects_of(
        kubernetes_objects.overlay(overlay), kubernetes_objects.Told("my_case", *settings, **about), replicas
    )


def one(things, kind):
    (found,) = [thing for thing in things if thing["kind"] == kind]
    return found


def pod_of(things):
    """The pod of the Deployment, or of the InferenceService."""
    if any(thing["kind"] == "InferenceService" for thing in things):
        return one(things, "InferenceService")["spec"]["predictor"]
    return one(things, "Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("version", ["1.31", "1.34", "1.37"])
@pytest.mark.parametrize("overlay", ["", "kind"])
@pytest.mark.parametrize(
    "serve",
    [
        pytest.param({}, id="plain"),
        pytest.param({"log": "s3://else/where", "resources": {"cpu_limit": 2}}, id="other-log"),
        pytest.param({"log": False, "challenger": {"fraction": 0.1}}, id="no-log"),
    ],
)
def test_objects_fit_the_schemas_of_kubernetes(overlay, version, serve):
    import kubernetes_validate

    things = rendered(overlay, serve)
    for thing in things:
        kubernetes_validate.validate(thing, version, strict=True)
    assert len(things) == 7


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_has_the_use_cases_name_and_namespace(overlay):
    things = rendered(overlay)
    assert {thing["metadata"]["name"] for thing in things} == {"serve-my-case"}
    assert {thing["metadata"]["namespace"] for thing in things} == {"models"}
    assert "serve-use-case" not in json.dumps(things)
    labels = {"app.kubernetes.io/name": "serve", "app.kubernetes.io/instance": "serve-my-case"}
    assert all(labels.items() <= thing["metadata"]["labels"].items() for thing in things)


def test_parts_find_the_pods():
    things = rendered()
    labels = one(things, "Deployment")["spec"]["template"]["metadata"]["labels"]
    selectors = [
        one(things, "Deployment")["spec"]["selector"]["matchLabels"],
        one(things, "Service")["spec"]["selector"],
        one(things, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(things, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        pod_of(things)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)
    assert one(things, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == "serve-my-case"
    assert pod_of(things)["serviceAccountName"] == one(things, "ServiceAccount")["metadata"]["name"]
    ports = {port["name"]: port["containerPort"] for port in pod_of(things)["containers"][0]["ports"]}
    assert ports[one(things, "Service")["spec"]["ports"][0]["targetPort"]] == 8000
    assert one(things, "NetworkPolicy")["spec"]["ingress"][0]["ports"][0]["port"] == 8000


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_container_is_shut_in_and_has_its_probes(overlay):
    pod = pod_of(rendered(overlay))
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsUser"] == 10001 and pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == "r/tabpipe/server:1"
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts == {"/cache", "/tmp"} and all("emptyDir" in volume for volume in pod["volumes"])


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    ("serve", "least"),
    [({}, 5 + 30), ({"drain": 60, "limits": {"timeout": "2m"}}, 60 + 360)],
    ids=["plain", "patient"],
)
def test_a_pod_has_the_time_that_its_server_takes_to_end(overlay, serve, least):
    pod = pod_of(rendered(overlay, serve))
    before = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= before + least


def test_the_settings_are_those_that_the_server_knows():
    import os
    import subprocess
    import sys

    serve = {
        "challenger": {"fraction": 0.25},
        "extra_columns": "ignore",
        "id_column": "track",
        "limits": {"rows": 7, "timeout": 3},
    }
    told = one(rendered("", serve), "ConfigMap")["data"]
    code = "from tabpipe_server.settings import settings_of as s; o = s(); print([o.model, o.challenger, o.fraction, \
        o.name, o.max_rows, o.timeout, o.extra_columns, o.id_column, o.log, o.drain])"
    path = os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**told, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = ["models:/my_case@champion", "models:/my_case@challenger", 0.25, "my_case", 7, 3.0, "ignore", "track"]
    assert done.stdout.strip() == str([*said, "s3://tabpipe/requests", 5.0])


def test_replicas_and_resources_are_those_of_the_section():
    serve = {"replicas": {"min": 3, "max": 9, "cpu": 50}, "resources": {"cpu_request": 1, "memory_limit": "2Gi"}}
    things = rendered("", serve, replicas=4)
    scaler = one(things, "HorizontalPodAutoscaler")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 9)
    assert scaler["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    assert one(things, "Deployment")["spec"]["replicas"] == 4
    assert pod_of(things)["containers"][0]["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}
    served = pod_of(rendered("kserve", serve))
    assert (served["minReplicas"], served["maxReplicas"], served["scaleTarget"]) == (3, 9, 50)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"serve": {"limits": {"rows": 5}}}, id="setting"),
        pytest.param({"model": "models:/my_case/3"}, id="model"),
        pytest.param({"secret": "12"}, id="key"),
    ],
)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_other_settings_make_other_pods(overlay, change):
    def noted(things):
        if overlay == "kserve":
            return pod_of(things)["annotations"]
        return one(things, "Deployment")["spec"]["template"]["metadata"]["annotations"]

    assert noted(rendered(overlay)) == noted(rendered(overlay))
    assert noted(rendered(overlay, **change)) != noted(rendered(overlay))


def environment(things):
    return {each["name"]: each for each in pod_of(things)["containers"][0]["env"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_log_goes_to_the_clusters_store_with_the_keys_of_its_secret(overlay):
    things = rendered(overlay)
    assert one(things, "ConfigMap")["data"]["TABPIPE_SERVE_LOG"] == "s3://tabpipe/requests"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        where = environment(things)[name]["valueFrom"]["secretKeyRef"]
        assert where["key"] in KEYS[where["name"]]
    assert one(things, "NetworkPolicy")["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_a_log_a_server_has_no_keys(overlay):
    things = rendered(overlay, {"log": False})
    assert "TABPIPE_SERVE_LOG" not in one(things, "ConfigMap")["data"]
    assert not [name for name in environment(things) if name.startswith("AWS_")]


def test_another_log_is_reached_by_the_variables_and_secrets_of_the_section_cluster():
    cluster = {
        "environment": {"AWS_ENDPOINT_URL": "https://s3.example"},
        "secrets": {"AWS_SECRET_ACCESS_KEY": {"secret": "ours", "key": "s3"}},
    }
    things = rendered("", {"log": "s3://logs/served"}, cluster)
    told = one(things, "ConfigMap")["data"]
    assert (told["TABPIPE_SERVE_LOG"], told["AWS_ENDPOINT_URL"]) == ("s3://logs/served", "https://s3.example")
    keys = {name: each for name, each in environment(things).items() if name.startswith("AWS_")}
    assert list(keys) == ["AWS_SECRET_ACCESS_KEY"]
    assert keys["AWS_SECRET_ACCESS_KEY"]["valueFrom"]["secretKeyRef"] == {"name": "ours", "key": "s3"}
    assert "egress" not in one(things, "NetworkPolicy")["spec"]


def test_another_mlflow_is_the_one_of_the_section_cluster():
    things = rendered("", None, {"mlflow": "https://mlflow.example"})
    assert one(things, "ConfigMap")["data"]["MLFLOW_TRACKING_URI"] == "https://mlflow.example"
    assert one(rendered(), "ConfigMap")["data"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_secret_stands_in_the_objects(overlay):
    things = rendered(overlay)
    assert not [thing for thing in things if thing["kind"] == "Secret"]
    key = environment(things)["TABPIPE_SERVE_API_KEY"]["valueFrom"]["secretKeyRef"]
    assert key == {"name": "serve-my-case", "key": "api-key", "optional": True}


def test_an_update_takes_no_server_away_before_another_is_ready():
    strategy = one(rendered(), "Deployment")["spec"]["strategy"]["rollingUpdate"]
    assert strategy == {"maxUnavailable": 0, "maxSurge": 1}


def test_on_kind_a_node_port_leads_to_it():
    service = one(rendered("kind"), "Service")
    assert service["spec"]["type"] == "NodePort" and service["spec"]["ports"][0]["nodePort"] == 30800
    assert service["metadata"]["annotations"]["tabpipe/address"] == "http://localhost:8000"


def test_kserve_takes_the_place_of_the_deployment():
    things = rendered("kserve")
    kinds = {thing["kind"] for thing in things}
    assert kinds == {"ServiceAccount", "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "InferenceService"}
    environment_ = environment(things)
    assert environment_["PROTOCOL"]["value"] == "v2"
    plain, served = pod_of(rendered())["containers"][0], pod_of(things)["containers"][0]
    own = {"name", "env", "ports", "startupProbe", "readinessProbe", "livenessProbe"}
    assert {key: plain[key] for key in plain.keys() - own} == {key: served[key] for key in served.keys() - own}
    port = environment_.pop("TABPIPE_SERVE_PORT")["value"]
    assert [environment_.get(each["name"], each) for each in plain["env"]] == plain["env"]
    # Where its Services are headless, KServe tells everybody to ask port 8080 of the pods.
    (rule,) = one(things, "NetworkPolicy")["spec"]["ingress"]
    assert {port, str(served["ports"][0]["containerPort"]), str(rule["ports"][0]["port"])} == {"8080"}
    probes = [served[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert {probe["port"] for probe in probes} == {8080}


def test_kserves_pods_are_those_of_the_network_policy_and_the_disruption_budget():
    things = rendered("kserve")
    labels = pod_of(things)["labels"]
    selectors = [
        one(things, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one(things, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        pod_of(things)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param({"image": "r/tabpipe/server:2"}, False, id="image"),
        pytest.param({"serve": {"resources": {"memory_limit": "2Gi"}}}, False, id="resources"),
        pytest.param({"serve": {"replicas": {"min": 3, "max": 9, "cpu": 50}}}, True, id="scaling"),
    ],
)
def test_what_kserve_has_brought_to_its_pods_is_seen_by_their_annotation(change, same):
    both = rendered("kserve"), rendered("kserve", **change)
    notes = [pod_of(things)["annotations"][kubernetes_objects.SETTINGS] for things in both]
    assert (notes[0] == notes[1]) is same


def test_an_unknown_overlay_is_refused_with_the_nearest_one():
    with pytest.raises(Refusal, match="did you mean 'kserve'"):
        kubernetes_objects.overlay("kserv")
    assert manifests.render(kubernetes_objects.overlay(""))


@pytest.mark.parametrize(
    ("use_case", "name"),
    [("iris", "serve-iris"), ("music_genres", "serve-music-genres"), ("My.Case_", "serve-my-case")],
)
def test_a_use_case_has_a_name_that_kubernetes_takes(use_case, name):
    assert kubernetes_objects.name_of(use_case) == name


@pytest.mark.parametrize("use_case", ["x" * 60, "___"], ids=["long", "nothing-left"])
def test_a_use_case_without_such_a_name_is_refused(use_case):
    with pytest.raises(Refusal, match="rename the config"):
        kubernetes_objects.name_of(use_case)


def test_the_documented_section_has_the_values_that_hold_without_it():
    (text,) = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "serving.md").read_text(), re.S | re.M)
    assert accept(Serve, yaml.safe_load(text)["serve"], "docs/serving.md") == Serve()
