"""Compiled pipelines: what Kubeflow gets is whole, small, the same each time, and holds the use case's values."""

import json
import re

import pytest
import yaml
from google.protobuf import json_format

from components.common.base.errors import Refusal
from components.common.config.overlay import settings_of
from tabpipe.compile.images import image_of
from tabpipe.compile.pipeline_yaml import LARGEST, compile_training, pipeline_name
from tabpipe.config import load
from tabpipe.steps import tasks

STEPS = [step for step in tasks("train", on_cluster=True) if step != "tsne"]


@pytest.fixture
def compiled(tmp_path):
    def compile_(name, overrides=(), registry=""):
        out = tmp_path / "train.yaml"
        compile_training(load(name, list(overrides)), name, out, registry)
        return list(yaml.safe_load_all(out.read_text()))

    return compile_


@pytest.mark.parametrize("name", ["music_genres", "nyc_rentals", "iris"])
def test_a_compiled_pipeline_is_accepted_by_kfp_and_the_same_each_time(tmp_path, name):
    from kfp.client.client import _extract_pipeline_yaml
    from kfp.components import load_component_from_file

    use_case = load(name)
    for file in ("a.yaml", "b.yaml"):
        assert compile_training(use_case, name, tmp_path / file) < LARGEST
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
    component = load_component_from_file(str(tmp_path / "a.yaml"))
    assert set(use_case.arguments("iris")) <= set(component.component_spec.inputs)
    assert all(parameter.optional for parameter in component.component_spec.inputs.values())
    document = _extract_pipeline_yaml(str(tmp_path / "a.yaml"))  # what the client does before an upload
    assert document.to_dict()["pipeline_spec"]["pipelineInfo"]["name"] == pipeline_name(name)


def test_kfp_s_own_compiler_writes_what_it_reads_of_a_compiled_pipeline(tmp_path, compiled):
    from kfp import compiler
    from kfp.components import load_component_from_file

    documents = compiled("iris")
    component = load_component_from_file(str(tmp_path / "train.yaml"))
    compiler.Compiler().compile(component, str(tmp_path / "again.yaml"))
    again = list(yaml.safe_load_all((tmp_path / "again.yaml").read_text()))
    assert again == documents


def test_images_resources_timeouts_and_defaults_are_those_of_the_config(compiled):
    override = ["cluster.steps.train={memory_limit: 8Gi, timeout: 2h}", "train.n_estimators=7"]
    spec, platform = compiled("music_genres", override, registry="localhost:5001")
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for step in STEPS:
        label = f"exec-{step.replace('_', '-')}"
        container = spec["deploymentSpec"]["executors"][label]["container"]
        assert container["image"] == image_of(step, registry="localhost:5001")
        assert container["resources"]["resourceMemoryLimit"] == ("8Gi" if step == "train" else "4Gi")
        assert pods[label]["activeDeadlineSeconds"] == ("7200" if step == "train" else "14400")
    train = spec["root"]["inputDefinitions"]["parameters"]["train"]
    assert train["parameterType"] == "STRUCT" and train["defaultValue"]["n_estimators"] == 7


def test_the_settings_of_pods_are_those_that_kfp_kubernetes_knows(compiled):
    from kfp.kubernetes.kubernetes_executor_config_pb2 import KubernetesExecutorConfig

    override = [
        "cluster.secrets={AWS_SECRET_ACCESS_KEY: {secret: minio, key: secretkey}}",
        "cluster.environment={AWS_ENDPOINT_URL: http://minio:9000}",
        "cluster.image_pull_secrets=[registry]",
        "cluster.node_selector={pool: ml}",
        "cluster.tolerations=[{key: gpu, operator: Exists, effect: NoSchedule}]",
    ]
    spec, platform = compiled("iris", override)
    for label, pod in platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"].items():
        config = json_format.ParseDict(pod, KubernetesExecutorConfig())
        assert config.security_context.run_as_non_root and config.security_context.run_as_user == 10001
        secret = config.secret_as_env[0]
        assert secret.secret_name_parameter.runtime_value.constant.string_value == "minio"
        assert (secret.key_to_env[0].secret_key, secret.key_to_env[0].env_var) == ("secretkey", "AWS_SECRET_ACCESS_KEY")
        registry = config.image_pull_secret[0].secret_name_parameter.runtime_value.constant
        assert registry.string_value == "registry"
        assert config.node_selector.labels == {"pool": "ml"} and config.tolerations[0].effect == "NoSchedule"
        env = spec["deploymentSpec"]["executors"][label]["container"]["env"]
        assert {"name": "AWS_ENDPOINT_URL", "value": "http://minio:9000"} in env


@pytest.mark.parametrize(
    ("overrides", "readers"),
    [
        (["download.source=s3://tabpipe/t.csv"], {"resolve", "download", "check-data"}),
        (["download.source=s3://theirs/t.csv", "cluster.environment={AWS_REGION: eu-west-1}"], set()),
        ([], set()),
    ],
    ids=["the cluster's own store", "another store", "no store"],
)
def test_the_keys_of_the_store_reach_the_steps_that_read_it_and_no_other(compiled, overrides, readers):
    spec, platform = compiled("iris", overrides)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    secrets = {label: [name for name in _secrets(pod) if name.startswith("AWS_")] for label, pod in pods.items()}
    assert {label.removeprefix("exec-") for label, names in secrets.items() if names} == readers
    executors = spec["deploymentSpec"]["executors"].items()
    variables = {label: [one["name"] for one in executor["container"].get("env", [])] for label, executor in executors}
    assert {label.removeprefix("exec-") for label, names in variables.items() if "AWS_ENDPOINT_URL" in names} == readers


OWN = {"TABPIPE_ARTIFACTS_ACCESS_KEY_ID": "accesskey", "TABPIPE_ARTIFACTS_SECRET_ACCESS_KEY": "secretkey"}
MINIO = "http://minio.kubeflow:9000"


def _secrets(pod):
    """Variables of a pod that come of Secrets, to the key."""
    pairs = [pair for secret in pod.get("secretAsEnv", []) for pair in secret["keyToEnv"]]
    return {pair["envVar"]: pair["secretKey"] for pair in pairs}


@pytest.mark.parametrize(
    ("overrides", "url", "endpoint", "keys"),
    [
        ([], "s3://tabpipe/artifacts", MINIO, OWN),
        (["cluster.artifacts=s3://tabpipe"], "s3://tabpipe", MINIO, OWN),
        (["cluster.artifacts=s3://tabpipe-eu/a"], "s3://tabpipe-eu/a", None, {}),
        (["cluster.environment={TABPIPE_ARTIFACTS_REGION: x}"], "s3://tabpipe/artifacts", None, {}),
        (
            ["cluster.secrets={TABPIPE_ARTIFACTS_ACCESS_KEY_ID: {secret: mine, key: k}}"],
            "s3://tabpipe/artifacts",
            None,
            {"TABPIPE_ARTIFACTS_ACCESS_KEY_ID": "k"},
        ),
    ],
    ids=["as it is", "another place in its bucket", "another bucket", "own settings", "own keys"],
)
def test_every_step_knows_where_it_keeps_what_it_makes(compiled, overrides, url, endpoint, keys):
    spec, platform = compiled("iris", overrides)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    for label, executor in spec["deploymentSpec"]["executors"].items():
        variables = {one["name"]: one["value"] for one in executor["container"].get("env", [])}
        told = (variables.get("TABPIPE_ARTIFACTS"), variables.get("TABPIPE_ARTIFACTS_ENDPOINT_URL"))
        assert told == (url, endpoint)
        assert variables.get("TABPIPE_USE_CASE") == "iris"
        assert variables.get("TABPIPE_IMAGE") == executor["container"]["image"]
        assert _secrets(pods[label]) == keys


@pytest.mark.parametrize("place", ["''", "output/artifacts", "s3://", "s3://key:secret@bucket/a", "https://bucket/a"])
def test_a_place_that_no_pod_can_keep_artifacts_in_is_refused(place):
    with pytest.raises(Refusal, match=r"cluster\.artifacts"):
        load("iris", [f"cluster.artifacts={place}"])


def test_retries_leave_each_try_its_whole_time(compiled):
    # Argo ends even a try under way once the longest duration is over, counted from the first try's start.
    spec, _ = compiled("iris", ["cluster.retry={times: 3, backoff: 30s}", "cluster.timeout=1h"])
    for task in spec["root"]["dag"]["tasks"].values():
        policy = task["retryPolicy"]
        assert policy["maxRetryCount"] == 3 and policy["backoffDuration"] == "30s"
        assert int(policy["backoffMaxDuration"].rstrip("s")) >= 4 * 3600 + 30 + 60 + 120


def test_only_resolve_is_never_cached_and_its_findings_key_the_others(compiled):
    tasks = compiled("iris")[0]["root"]["dag"]["tasks"]
    assert [name for name, task in tasks.items() if not task["cachingOptions"].get("enableCache")] == ["resolve"]
    assert tasks["download"]["inputs"]["parameters"]["checksum"]["taskOutputParameter"]["producerTask"] == "resolve"
    assert tasks["check-data"]["inputs"]["parameters"]["valid_for"]["taskOutputParameter"]["producerTask"] == "resolve"


@pytest.mark.parametrize(
    ("step", "part", "path", "value"),
    [
        ("train", {"n_estimators": 200}, ["n_estimators"], 200),
        ("train", {"features": {"text": {"ngrams": 2}}}, ["features", "text", "ngrams"], 2),
        ("segregate", {"seed": 1}, ["seed"], 1),
    ],
    ids=["a hyperparameter", "a nested value", "another step"],
)
def test_a_part_of_a_section_changes_that_part_alone(compiled, step, part, path, value):
    task = compiled("music_genres")[0]["root"]["dag"]["tasks"][step]
    compiled_in = task["inputs"]["parameters"]["defaults"]["runtimeValue"]["constant"]
    assert settings_of(compiled_in, compiled_in) == json.loads(compiled_in)
    # kfp hands the default over with its keys in another order and all numbers as floats.
    default = compiled("music_genres")[0]["root"]["inputDefinitions"]["parameters"][step]["defaultValue"]
    assert json.dumps(settings_of(default, compiled_in)) == json.dumps(json.loads(compiled_in))
    settings = settings_of(json.dumps(part), compiled_in)
    inner, whole = settings, json.loads(compiled_in)
    for key in path[:-1]:
        inner, whole = inner[key], whole[key]
    assert inner[path[-1]] == value and {**inner, path[-1]: 0} == {**whole, path[-1]: 0}


def test_a_part_of_a_section_can_choose_another_model(compiled):
    from components.common.config.base import accept
    from components.common.config.train import TrainArgument
    from components.train.models import make_estimator

    task = compiled("iris")[0]["root"]["dag"]["tasks"]["train"]
    compiled_in = task["inputs"]["parameters"]["defaults"]["runtimeValue"]["constant"]
    part = {"model": "random_forest", "n_estimators": 30, "C": None, "max_iter": None}
    estimator = make_estimator(accept(TrainArgument, settings_of(json.dumps(part), compiled_in), "train"))
    assert estimator.n_estimators == 30


@pytest.mark.parametrize("section", ["n_estimators: 200", "[1]", "7", ""], ids=["yaml", "list", "number", "empty"])
def test_a_section_that_is_no_json_object_is_refused_with_an_example(section):
    with pytest.raises(Refusal, match=re.escape('for instance {"n_estimators": 200}')):
        settings_of(section, "{}")


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("cluster.steps.trian.cpu_limit=2", "did you mean 'train'"),
        ("cluster.resources.memory_limit=4 GB", "a Kubernetes quantity"),
        ("cluster.timeout=soon", "a number of seconds, or one with a unit"),
        ("cluster.run_as_user=0", "greater than or equal to 1"),
        ("cluster.environment={A-B: c}", "letters, digits and _"),
    ],
    ids=["step", "quantity", "duration", "root", "variable"],
)
def test_settings_that_no_cluster_takes_are_refused(tmp_path, override, said):
    with pytest.raises(Refusal, match=said):
        compile_training(load("music_genres", [override]), "music_genres", tmp_path / "train.yaml")
    assert not (tmp_path / "train.yaml").exists()
