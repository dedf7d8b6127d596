"""Runs on a real cluster with Kubeflow Pipelines: equal numbers, caches, failures in the step's words, schedules.

The images are expected where the cluster finds them: `make images` and the cluster's registry, as after `make cluster`.
"""

import json
import threading
import time
from types import SimpleNamespace

import pytest

from components.common.base.errors import Refusal
from tests.conftest import ROOT, command_line

NEW = f"train.C={1 + time.time() % 1e6 / 1e7:.12f}"
"""An override that no run before had, so that nothing is cached from train on."""
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster():
    from tabpipe.cluster.client import connect

    try:
        return connect()
    except Refusal as refusal:
        pytest.skip(f"no Kubeflow Pipelines to run on: {str(refusal).splitlines()[0]}")


@pytest.fixture(scope="module")
def command():
    """Runs a command of tabpipe; gives its exit code, its JSON document if it prints one, and what it says."""

    def run(*arguments, env=None):
        done = command_line(*arguments, env=env, timeout=1500)
        document = json.loads(done.stdout) if "--json" in arguments and done.stdout.strip() else None
        return SimpleNamespace(code=done.returncode, document=document, said=done.stdout + done.stderr)

    return run


@pytest.fixture(scope="module")
def submitted(cluster, command):
    done = command("submit", "iris", "--json", NEW)
    assert done.code == 0, done.said
    assert {"resolve", "train", "evaluate"} <= {
        name for name, state in _states(done.document).items() if state != "cached"
    }
    return done.document


def _states(document):
    return {step["name"]: "cached" if step["cached"] else step["state"] for step in document["steps"]}


def test_a_run_s_metrics_are_those_of_a_local_run_to_the_last_digit(submitted, command, tmp_path):
    here = command("run", "iris", "--json", NEW, env={"TABPIPE_HOME": str(tmp_path)}).document
    assert submitted["state"] == "succeeded"
    assert submitted["metrics"] == here["metrics"] and len(here["metrics"]["test"]) >= 3


def test_the_same_again_is_cached_but_for_the_look_at_the_source(submitted, command):
    again = command("submit", "iris", "--json", NEW).document
    assert again["version"] == submitted["version"]
    states = _states(again)
    assert states.pop("resolve") == "succeeded" and set(states.values()) == {"cached"}
    assert again["metrics"] == submitted["metrics"]


def test_a_changed_section_runs_its_step_and_those_after_it(submitted, command):
    changed = command("submit", "iris", "--json", "train.C=0.37").document
    ran = {name for name, state in _states(changed).items() if state == "succeeded"}
    assert ran - {"train", "evaluate"} == {"resolve"}


def test_a_refusal_reaches_whoever_submitted_and_the_next_run_goes_on_from_there(submitted, command):
    refused = command("submit", "iris", "--json", "preprocess.bounds.petal_length=[100, 200]")
    assert refused.code == 1
    assert "no row is left" in refused.document["error"] and "mend:" in refused.said
    assert _states(refused.document) == {"resolve": "succeeded", "download": "cached", "preprocess": "failed"}


def test_a_step_over_its_memory_limit_is_named_with_the_setting_to_change(submitted, command):
    over = command(
        "submit", "iris", "--json", "cluster.steps.train={memory_limit: 60Mi, memory_request: 50Mi}", "train.C=0.123"
    )
    assert over.code == 1 and "cluster.steps.train.memory_limit" in over.said, over.said


def test_an_image_that_is_not_in_the_cluster_is_named(cluster, command):
    missing = command("submit", "iris", "--registry", "localhost:1/nowhere")
    assert missing.code == 2 and "localhost:1/nowhere/tabpipe/resolve" in missing.said and "make images" in missing.said


def test_a_pod_that_is_deleted_in_mid_run_is_tried_again(cluster, submitted):
    from tabpipe.cluster.client import NAMESPACE
    from tabpipe.cluster.submit import own_registry, start, upload
    from tabpipe.cluster.watch import Watch
    from tabpipe.config import load
    from tabpipe.steps import tasks

    overrides = ["download.source=sample://music_genres", f"train.n_estimators={1200 + int(time.time()) % 600}"]
    uploaded = upload(
        cluster, load("music_genres", overrides), "music_genres", own_registry(cluster), ROOT / "build" / "submitted"
    )
    run_id = start(cluster, uploaded, {})
    watch = Watch(cluster, run_id, tasks("train", on_cluster=True), quiet=True)
    killed = []

    def kill():
        deadline = time.monotonic() + 900
        while time.monotonic() < deadline and not killed:
            step = watch.steps.get("train")
            if step and step.tries == 1 and step.state == "running":
                phase = cluster.core.read_namespaced_pod(step.pod, NAMESPACE).status.phase
                if phase == "Running":
                    cluster.core.delete_namespaced_pod(step.pod, NAMESPACE, grace_period_seconds=1)
                    killed.append(step.pod)
            time.sleep(0.3)

    threading.Thread(target=kill, daemon=True).start()
    outcome = watch.until_over()
    assert killed and outcome.state == "succeeded", outcome
    assert outcome.steps["train"].tries >= 2


def test_a_schedule_is_applied_declaratively_and_fires(cluster, submitted, command):
    from tabpipe.cluster.schedules import remove, runs_of, schedules

    try:
        assert "created" in command("schedule", "iris", "--cron", "*/20 * * * * *").said
        assert "unchanged" in command("schedule", "iris", "--cron", "*/20 * * * * *").said
        (first,) = schedules(cluster, "iris")
        deadline = time.monotonic() + 240
        while not (runs := runs_of(cluster, first.recurring_run_id)) and time.monotonic() < deadline:
            time.sleep(2)
        assert runs, "nothing ran"
        replaced = command("schedule", "iris", "--cron", "0 3 * * 1").said
        assert "replaced" in replaced
        on = [one for one in schedules(cluster, "iris") if one.status == "ENABLED"]
        assert [one.trigger.cron_schedule.cron for one in on] == ["0 0 3 * * 1"]
        # What ran as the old one was replaced goes on to its end, and only then is the old one deleted.
        while (
            cluster.kfp.get_run(runs[-1].run_id).state not in ("SUCCEEDED", "FAILED")
            and time.monotonic() < deadline + 300
        ):
            time.sleep(3)
        assert cluster.kfp.get_run(runs[-1].run_id).state == "SUCCEEDED"
        while (
            command("schedule", "iris", "--cron", "0 3 * * 1").said.count("switched off")
            and time.monotonic() < deadline + 300
        ):
            time.sleep(5)
        assert len(schedules(cluster, "iris")) == 1
        assert "iris" in command("schedules").said
    finally:
        if schedules(cluster, "iris"):
            remove(cluster, "iris")


def test_a_run_outlives_a_store_and_a_tracker_that_go_away_and_come_back(cluster, submitted, command):
    from tabpipe.cluster.client import NAMESPACE

    gone = []

    def restart():
        for _ in range(2):  # at the start and in the midst of a run
            time.sleep(20)
            for part in ("minio-0", "mlflow-database-0", *_pods(cluster, "mlflow")):
                cluster.core.delete_namespaced_pod(part, NAMESPACE, grace_period_seconds=0)
                gone.append(part)

    away = threading.Thread(target=restart, daemon=True)
    away.start()
    done = command("submit", "iris", "--json", f"{NEW}1", "segregate.seed=123")
    away.join()
    assert len(gone) >= 6 and done.code == 0, done.said


def test_without_a_tracker_runs_succeed_untracked(cluster, submitted, command):
    from kubernetes import client

    from tabpipe.cluster.client import NAMESPACE

    apps = client.AppsV1Api(cluster.core.api_client)
    replicas = apps.read_namespaced_deployment("mlflow", NAMESPACE).spec.replicas
    try:
        apps.patch_namespaced_deployment_scale("mlflow", NAMESPACE, {"spec": {"replicas": 0}})
        while _pods(cluster, "mlflow"):
            time.sleep(1)
        done = command("submit", "iris", "--json", f"{NEW}2")
        assert done.code == 0 and done.document["metrics"] == {}, done.said
    finally:
        apps.patch_namespaced_deployment_scale("mlflow", NAMESPACE, {"spec": {"replicas": replicas}})
        while apps.read_namespaced_deployment("mlflow", NAMESPACE).status.ready_replicas != replicas:
            time.sleep(1)


def _pods(cluster, app):
    from tabpipe.cluster.client import NAMESPACE

    pods = cluster.core.list_namespaced_pod(NAMESPACE, label_selector=f"app.kubernetes.io/name={app}").items
    return [pod.metadata.name for pod in pods]


def _newest(command):
    """The newest version of the model, which the last run has made."""
    versions = command("models", "list", "iris", "--cluster", "--json").document
    return max(versions, key=lambda one: int(one["ref"].rpartition(":v")[2]))["ref"]


def test_a_run_promotes_as_on_this_machine_and_a_person_can_take_it_back(cluster, command):
    # Whoever is champion of this cluster, a person makes this one: what follows hangs on no earlier run.
    first = command("submit", "iris", "--json", f"train.C={1 + time.time() % 1e6 / 1e7:.12f}", "promote.gate=manual")
    assert first.code == 0, first.said
    promoted = command("models", "promote", "iris", _newest(command), "--cluster", "--json")
    assert promoted.code == 0, promoted.said
    champion = promoted.document["champion"]
    worse = command("submit", "iris", "--json", f"train.C={0.001 + time.time() % 1e6 / 1e12:.12f}")
    assert worse.document["promotion"]["decision"] == "keep", worse.said
    assert worse.document["promotion"]["reason"].startswith(f"{champion.partition(':')[2]} stays the champion")
    listed = {one["model"]: one for one in command("models", "list", "--cluster", "--json").document}
    assert listed["iris"]["champion"] == champion
    assert command("models", "promote", "iris", _newest(command), "--cluster", "--json").code == 0
    back = command("models", "rollback", "iris", "--cluster", "--json")
    assert back.document["champion"] == champion and back.code == 0, back.said
    history = command("models", "history", "iris", "--cluster", "--json").document
    assert [one["why"]["action"] for one in history[-3:]] == ["promote", "promote", "rollback"]


def test_the_pipeline_score_answers_a_table_with_the_champion(cluster, command, tmp_path):
    import pyarrow.parquet as pq

    (champion,) = [
        one["champion"]
        for one in command("models", "list", "--cluster", "--json").document
        if one["model"] == "iris" and one["champion"]
    ]
    table = tmp_path / "flowers.csv"
    new = 5 + time.time() % 1e5 / 1e6  # nothing is served from the cache
    table.write_text(
        f"id,sepal_length,sepal_width,petal_length,petal_width\n007,{new:.6f},3.5,1.4,0.2\n008,6.7,3.0,5.2,2.3\n"
    )
    done = command("submit", "iris", "--pipeline", "score", "--json", "--source", str(table))
    assert done.code == 0 and {"resolve_score", "download", "predict"} == set(_states(done.document)), done.said
    scored = done.document["scored"]
    assert (scored["rows"], scored["answered"], scored["refused"], scored["model"]) == (2, 2, 0, champion)
    assert f"2 of 2 rows answered by {champion}" in done.said
    ref, out = f"iris.score.predictions:{scored['predictions'][:12]}", tmp_path / "predictions.parquet"
    assert ref in done.said
    fetched = command("artifacts", "get", ref, str(out), "--cluster")
    assert fetched.code == 0, fetched.said
    answers = pq.read_table(out).to_pydict()
    assert answers["id"] == ["007", "008"] and answers["prediction"] == ["setosa", "virginica"]
    again = command("submit", "iris", "--pipeline", "score", "--json", "--source", str(table)).document
    assert _states(again)["predict"] == "cached" and again["scored"] == scored
