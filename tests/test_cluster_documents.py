"""What Kubeflow tells of a run, made into the document of a run; and the pipeline of a rerun. No cluster is needed."""

import base64
import json
import struct
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from components.common.base.errors import Refusal
from tabpipe.cluster.metadata import Made, _frames, _message
from tabpipe.cluster.reproduce import uncached
from tabpipe.cluster.run_documents import config_of, document, images_of
from tabpipe.compile.images import image_of
from tabpipe.compile.pipeline_yaml import compile_training
from tabpipe.config import load
from tabpipe.runs.diff import differences
from tabpipe.runs.find import Kept, choose
from tabpipe.runs.reproduce import compared
from tabpipe.runs.rerun import _OURS
from tests.conftest import command_line

BEGUN = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def use_case():
    return load("iris", [])


@pytest.fixture(scope="module")
def spec(use_case, tmp_path_factory):
    file = tmp_path_factory.mktemp("compiled") / "iris.yaml"
    compile_training(use_case, "iris", file, "registry.example/team")
    pipeline, platform = yaml.safe_load_all(file.read_text())
    return {"pipeline_spec": pipeline, "platform_spec": platform}


def test_a_run_s_config_is_the_one_that_its_pipeline_was_compiled_with(spec, use_case):
    assert config_of(spec, {}) == {name: json.loads(text) for name, text in use_case.arguments("iris").items()}


def test_a_run_s_own_parameters_change_its_config_and_nothing_else(spec):
    compiled = config_of(spec, {})
    given = config_of(spec, {"train": {"C": 0.25, "max_iter": float(compiled["train"]["max_iter"])}})
    assert given["train"] == {**compiled["train"], "C": 0.25}
    assert isinstance(given["train"]["max_iter"], int)
    assert {**given, "train": None} == {**compiled, "train": None}


def test_a_run_s_images_are_those_of_its_steps(spec):
    images = images_of(spec)
    assert {"resolve", "check_data", "train"} <= set(images)
    assert all(image == image_of(step, registry="registry.example/team") for step, image in images.items())


def test_a_rerun_s_pipeline_caches_nothing_and_promotes_nothing():
    tasks = {
        "train": {"cachingOptions": {"enableCache": True}},
        "evaluate": {"cachingOptions": {"enableCache": True}, "dependentTasks": ["train"]},
        "promote": {"cachingOptions": {"enableCache": True}, "dependentTasks": ["evaluate"]},
    }
    pipeline = {"pipeline_spec": {"root": {"dag": {"tasks": tasks}}}, "platform_spec": {"a": 1}}
    before = json.dumps(pipeline)
    changed = uncached(pipeline)
    left = changed["pipeline_spec"]["root"]["dag"]["tasks"]
    assert {name: task["cachingOptions"]["enableCache"] for name, task in left.items()} == {
        "train": False,
        "evaluate": False,
    }
    assert changed["platform_spec"] == {"a": 1} and json.dumps(pipeline) == before


def test_the_compiled_pipeline_without_its_caches_is_otherwise_the_same(spec):
    changed = uncached(spec)
    tasks = changed["pipeline_spec"]["root"]["dag"]["tasks"]
    assert tasks and not any(task["cachingOptions"]["enableCache"] for task in tasks.values())
    assert config_of(changed, {}).items() <= config_of(spec, {}).items()


def _task(name, first, last, state="SUCCEEDED"):
    start, end = (BEGUN + timedelta(seconds=seconds) for seconds in (first, last))
    return {"display_name": name, "state": state, "start_time": start, "end_time": end}


def _run(**more):
    tasks = [
        _task("resolve-driver", 0, 5),
        _task("resolve", 5, 20),
        _task("check-data-driver", 25, 30),
        _task("check-data", 30, 30),
        _task("train-driver", 31, 36, "FAILED"),
        _task("train", 36, 36, "SKIPPED"),
    ]
    return {
        "run_id": "79deec18-d90b",
        "display_name": "iris 2026",
        "state": "SUCCEEDED",
        "created_at": BEGUN,
        "finished_at": BEGUN + timedelta(seconds=60),
        "plugins_input": {"mlflow": {"experiment_name": "iris"}},
        "run_details": {"task_details": tasks},
        **more,
    }


MADE = [
    Made("download", "table", "minio://b/other-run/table", {"source_sha256": "s", "digest": "d1", "rows": 150.0}, True),
    Made("check_data", "accepted", "minio://b/other-run/accepted", {"digest": "d2", "rows": 149.0}, True),
    Made("check_data", "report", "minio://b/other-run/report", {}, True),
    Made("resolve", "executor-logs", "minio://b/this/executor-logs", {}, False),
]


def test_a_run_of_the_cluster_is_told_of_as_one_of_this_machine(spec):
    run = document(_run(), spec, "9f9b1fa0", MADE, {"test": {"accuracy": 0.5}})
    assert (run.run_id, run.use_case, run.summary["state"]) == ("79deec18-d90b", "iris", "succeeded")
    assert (run.summary["started"], run.summary["seconds"]) == (BEGUN.timestamp(), 60.0)
    assert (run.summary["source"], run.summary["checksum"]) == ("sample://iris", "s")
    assert run.metrics == {"test.accuracy": 0.5}
    assert {name: entry["digest"] for name, entry in run.outputs.items()} == {
        "download.table": "d1",
        "check_data.accepted": "d2",
    }
    assert run.outputs["download.table"]["rows"] == 150
    assert run.summary["steps"] == [
        {"name": "resolve", "state": "succeeded", "seconds": 20.0, "cached": False},
        {"name": "check_data", "state": "succeeded", "seconds": 5.0, "cached": True},
        {"name": "train", "state": "failed", "seconds": 5.0, "cached": False},
    ]


def test_a_run_whose_pipeline_was_deleted_is_told_of_as_far_as_it_is_known():
    run = document(_run(plugins_input=None), {}, "", [], {})
    assert (run.use_case, run.config, run.outputs, run.code["images"]) == ("iris 2026", {}, {}, {})


def test_changing_a_run_s_config_does_not_change_the_run():
    run = Kept(None, {"run_id": "a", "use_case": "iris"}, {"train": {"C": 1}})
    run.config["train"].pop("C")
    assert run.config == {"train": {"C": 1}}


def _kept(run_id, digests, state="succeeded", **more):
    outputs = {}
    for name, digest in digests.items():
        step, _, output = name.partition(".")
        outputs.setdefault(step, {})[output] = {"digest": digest}
    summary = {"run_id": run_id, "use_case": "iris", "state": state, "metrics": {"test": {"r2": 0.5}}, **more}
    return Kept(None, {**summary, "outputs": outputs}, {})


def test_what_promote_decides_is_compared_with_nothing():
    a = _kept("a", {"train.model": "m", "promote.decision": "x"})
    b = _kept("b", {"train.model": "m", "promote.decision": "y"})
    found = compared(a, b, [])
    assert found["equal"] and [row["name"] for row in found["outputs"]] == ["train.model"]
    assert "promote.decision" not in {row["name"] for row in differences(a, b)["data"]}
    assert not compared(a, _kept("b", {"train.model": "n", "promote.decision": "x"}), [])["equal"]


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("TABPIPE_ARTIFACTS", True),
        ("TABPIPE_ARTIFACTS_SECRET_ACCESS_KEY", True),
        ("MLFLOW_TRACKING_URI", True),
        ("MLFLOW_TRACKING_TOKEN", False),
        ("AWS_SECRET_ACCESS_KEY", False),
        ("TABPIPE_HOME", False),
    ],
)
def test_a_rerun_does_not_inherit_where_the_user_s_own_runs_write(name, dropped):
    assert bool(_OURS.fullmatch(name)) is dropped


RUNS = [_kept("5045", {}, "running"), _kept("79de", {}), _kept("59a3", {}, "failed"), _kept("60a6", {})]


@pytest.mark.parametrize(
    ("name", "run_id"),
    [("latest", "79de"), ("iris:latest", "79de"), ("59", "59a3"), ("5045", "5045"), ("v1.0.0", "60a6")],
)
def test_a_run_is_found_by_its_name(name, run_id):
    def by_code(wanted, runs):
        return runs[3] if wanted == "v1.0.0" else None

    assert choose(name, RUNS, by_code, "tabpipe runs list").run_id == run_id


@pytest.mark.parametrize(("name", "words"), [("5", "2 runs begin so"), ("x", "no run has this name"), ("", "no run")])
def test_a_name_of_no_run_or_of_several_is_refused(name, words):
    with pytest.raises(Refusal, match=words):
        choose(name, RUNS, lambda wanted, runs: None, "tabpipe runs list --cluster")


def test_an_answer_in_frames_that_are_encoded_one_by_one_is_read():
    response = _message("GetExecutionsByContextResponse")
    execution = {"id": 7, "last_known_state": 5}
    pair = {"key": "task_name", "value": {"string_value": "check-data"}}
    sent = response(executions=[{**execution, "custom_properties": [pair]}]).SerializeToString()
    frames = [struct.pack(">BI", 0, len(sent)) + sent, struct.pack(">BI", 0x80, 15) + b"grpc-status: 0\n"]
    (_, data), (flags, trailers) = _frames("".join(base64.b64encode(frame).decode() for frame in frames))
    read = response.FromString(data).executions[0]
    assert (read.id, read.custom_properties[0].value.string_value) == (7, "check-data")
    assert flags == 0x80 and trailers.startswith(b"grpc-status")


@pytest.mark.run
def test_a_pinned_release_is_submitted_by_its_own_code(tmp_path):
    environment = {"KUBECONFIG": str(tmp_path / "none"), "TABPIPE_HOME": str(tmp_path / "home")}
    done = command_line("submit", "--at", "HEAD", "iris", "--no-wait", env=environment, timeout=120)
    assert done.returncode == 2, done.stderr
    assert "with the code of HEAD, commit" in done.stderr and "there is no cluster to talk to" in done.stderr
    (checkout,) = (tmp_path / "home" / "releases").glob("*/pipeline.py")
    assert checkout.parent.name in done.stderr or checkout.parent.name[:12] in done.stderr


def test_a_release_that_does_not_exist_is_refused_before_anything_is_sent(tmp_path):
    environment = {"KUBECONFIG": str(tmp_path / "none"), "TABPIPE_HOME": str(tmp_path / "home")}
    done = command_line("submit", "--at", "v0.0.0-none", "iris", env=environment, timeout=120)
    assert done.returncode == 2 and "no such tag or commit" in done.stderr


@pytest.mark.parametrize(("option", "value"), [("--keep", "somewhere"), ("--on", "docker")])
def test_what_a_rerun_on_the_cluster_cannot_do_is_refused(option, value, tmp_path):
    environment = {"KUBECONFIG": str(tmp_path / "none")}
    done = command_line("reproduce", "x", "--cluster", option, value, env=environment, timeout=120)
    assert done.returncode == 2 and option in done.stderr and "cluster" in done.stderr
