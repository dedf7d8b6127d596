"""Real trainings, one after the other: the better model becomes the champion, the worse one does not."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.common.base.errors import Refusal
from components.common.config.promote import PromoteArgument
from components.promote.compare import compare
from tests.conftest import ROOT, command_line

pytestmark = pytest.mark.run

MUSIC = ROOT.parent / "shared" / "data" / "genres_mod.parquet"


class Project:
    """Runs of one use case in a folder of outputs, and what `models` says of them."""

    def __init__(self, home, use_case, *fixed):
        self.home, self.use_case, self.fixed = home, use_case, fixed

    def command(self, *arguments):
        done = command_line(*arguments, env={"TABPIPE_HOME": str(self.home)}, timeout=250)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def run(self, *overrides):
        return self.command("run", self.use_case, "--json", *self.fixed, *overrides)

    def decided(self, *overrides):
        return self.run(*overrides)["promotion"]

    def history(self):
        found = self.command("models", "history", self.use_case, "--json")
        return [(one["why"]["action"], one["from"], one["to"]) for one in found]


def _client(project):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")


def _registry(project):
    model = _client(project).get_registered_model(project.use_case)
    return {alias: int(number) for alias, number in model.aliases.items()}


def _of_alias(project, alias):
    return _client(project).get_model_version_by_alias(project.use_case, alias)


@pytest.mark.skipif(not MUSIC.is_file(), reason=f"needs the real music table, {MUSIC.name}, which is not part of this")
def test_on_the_real_music_table_only_a_better_forest_takes_the_place_and_a_rollback_gives_it_back(tmp_path):
    project = Project(tmp_path, "music_genres", "--source", str(MUSIC), "train.n_estimators=30")
    assert project.decided("train.max_depth=10") == {"decision": "promote", "reason": "v0 is the champion"}
    worse = project.decided("train.max_depth=3")
    assert worse["decision"] == "keep" and worse["reason"].startswith("v0 stays the champion")
    better = project.run("train.max_depth=16")
    assert better["promotion"] == {"decision": "promote", "reason": "v2 is the champion, was v0"}
    assert "v2" in Path(better["reports"]["promote"]).read_text()
    assert _registry(project) == {"champion": 3, "previous": 1}
    project.command("models", "rollback", "music_genres", "--json")
    assert _registry(project)["champion"] == 1
    assert project.history() == [("promote", None, "v0"), ("promote", "v0", "v2"), ("rollback", "v2", "v0")]
    again = project.decided("train.max_depth=16")
    assert again["decision"] == "keep", "a model that a person has given up is not promoted by a run"


def test_a_candidate_is_timed_as_it_is_served(tmp_path):
    project = Project(tmp_path, "iris", "train.model=random_forest", "train.C=null", "train.max_iter=null")
    summary = project.run("train.n_estimators=200")
    test, folder = pd.read_parquet(tmp_path / summary["outputs"]["segregate"]["test"]["path"]), summary["model"]
    section = PromoteArgument(use_case="iris", target="species", task="classification")
    compiled = compare(section, folder, None, test, None).candidate.latency_ms
    plain = shutil.copytree(folder, tmp_path / "plain", ignore=shutil.ignore_patterns("compiled"))
    assert compiled < compare(section, plain, None, test, None).candidate.latency_ms / 3, "it is a hundredth or so"
    (Path(shutil.copytree(folder, tmp_path / "damaged")) / "compiled" / "trees.onnx").write_bytes(b"no graph")
    with pytest.raises(Refusal, match="compiled model cannot be opened"):
        compare(section, tmp_path / "damaged", None, test, None)


def test_an_unchanged_run_is_served_from_the_cache_until_somebody_moves_the_champion(tmp_path):
    project = Project(tmp_path, "iris")

    def cached(document):
        return {step["name"]: step["cached"] for step in document["steps"]}["promote"]

    first, second = project.run(), project.run()
    assert (cached(first), cached(second)) == (False, True)
    assert second["promotion"] == first["promotion"] == {"decision": "promote", "reason": "v0 is the champion"}
    project.run("train.C=0.001")
    assert cached(project.run()), "nobody has moved the champion"
    project.command("models", "promote", "iris", "v1", "--json")
    after = project.run()
    assert not cached(after)
    assert after["promotion"] == {"decision": "promote", "reason": "v0 is the champion, was v1"}
    assert project.history() == [("promote", None, "v0"), ("promote", "v0", "v1"), ("promote", "v1", "v0")]


@pytest.mark.parametrize(
    ("override", "decision", "words"),
    [
        pytest.param("promote.thresholds.accuracy=0.999", "keep", "there is no champion", id="threshold"),
        pytest.param("promote.guards.size_mb=0.0001", "keep", "there is no champion", id="size"),
        pytest.param("promote.gate=manual", "wait", "waits for a person", id="manual"),
    ],
)
def test_a_first_model_is_promoted_only_if_it_may(tmp_path, override, decision, words):
    decided = Project(tmp_path, "iris").decided(override)
    assert decided["decision"] == decision and words in decided["reason"], decided


def test_the_registry_has_the_model_with_signature_scores_and_the_digests_of_its_data(finished, tmp_path, monkeypatch):
    import mlflow.pyfunc

    project = Project(tmp_path, "iris")
    document = finished(tmp_path).document
    version = _of_alias(project, "champion")
    made = document["outputs"]
    assert version.tags["data.train"] == made["segregate"]["train"]["digest"]
    assert version.tags["tabpipe.digest"] == made["train"]["model"]["digest"]
    assert float(version.tags["validation_accuracy"]) == document["metrics"]["validation"]["accuracy"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    try:
        model = mlflow.pyfunc.load_model("models:/iris@champion")
    finally:
        mlflow.set_tracking_uri(None)
    assert model.metadata.signature.inputs.input_names()
    assert len(model.predict(model.input_example)) == 2


def test_a_person_promotes_what_waits(tmp_path):
    project = Project(tmp_path, "iris", "promote.gate=manual")
    project.run()
    done = project.command("models", "promote", "iris", "--json")
    assert (done["champion"], done["challenger"]) == ("iris.model:v0", None)
    assert _registry(project) == {"champion": 1}


def test_a_candidate_with_another_signature_waits_for_a_person(tmp_path):
    project = Project(tmp_path, "iris")
    project.run("train.features.use=[petal_length]")
    decided = project.decided()
    assert decided["decision"] == "wait", decided


@pytest.mark.parametrize(
    ("override", "said"),
    [
        pytest.param("promote.metric=auc", "auc_macro_ovo", id="metric"),
        pytest.param("promote.thresholds.rmse=3", "rmse", id="score of another task"),
        pytest.param("promote.margin=-1", "margin", id="margin"),
        pytest.param("promote.gates=manual", "did you mean 'gate'", id="unknown key"),
    ],
)
def test_settings_that_make_no_sense_are_refused_before_anything_runs(tmp_path, override, said):
    done = command_line("run", "iris", override, env={"TABPIPE_HOME": str(tmp_path)}, timeout=60)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "iris").exists(), done.stderr


def test_rows_that_the_champion_was_trained_on_are_no_test_of_it(finished, tmp_path):
    project = Project(tmp_path, "iris")
    finished(tmp_path)
    dealt_anew = project.run("segregate.seed=7")
    assert dealt_anew["promotion"]["decision"] == "wait", dealt_anew["promotion"]
    assert "test rows are untouched by the champion" in Path(dealt_anew["reports"]["promote"]).read_text()


def test_a_model_of_another_source_waits_for_a_person_unless_the_config_lets_it_follow(tmp_path):
    from sklearn.datasets import load_iris

    project, own = Project(tmp_path, "iris"), tmp_path / "own.csv"
    project.run("train.C=0.001")
    table = load_iris(as_frame=True)
    names = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    table.data.set_axis(names, axis=1).assign(species=table.target_names[table.target]).to_csv(own, index=False)
    waits = project.decided("--source", str(own))
    assert waits["decision"] == "wait", waits
    assert f"trained on {own}, the champion on sample://iris" in waits["reason"]
    assert waits["reason"].endswith("To promote it: tabpipe models promote iris v1")
    follows = project.decided("--source", str(own), f"promote.sources=['sample://iris','{own}']")
    assert follows["decision"] == "promote", follows


def test_a_champion_of_a_leaking_split_is_retired_and_an_honest_model_becomes_the_first(tmp_path):
    random = np.random.default_rng(0)
    hosts = pd.DataFrame({"host": np.repeat(np.arange(40), 5), "x": random.normal(size=200)})
    hosts["habit"] = random.normal(size=40)[hosts["host"]]  # what the rows of a host share, so a shuffle leaks it
    hosts["price"] = hosts["x"] + 3 * hosts["habit"] ** 2
    hosts.to_csv(tmp_path / "hosts.csv", index=False)
    config = tmp_path / "rooms.yaml"
    config.write_text(
        "target: price\ncolumns: {host: identifier, x: numerical, habit: numerical, price: numerical}\n"
        f"download: {{source: {tmp_path / 'hosts.csv'}}}\ntrain: {{model: random_forest, n_estimators: 20}}\n"
    )
    project = Project(tmp_path / "home", str(config))
    assert project.decided()["decision"] == "promote"
    honest = project.decided("segregate.group=host")
    assert honest["decision"] == "wait" and "test rows are untouched by the champion" in honest["reason"], honest
    assert "now it is by groups of host" in honest["reason"]
    env = {"TABPIPE_HOME": str(tmp_path / "home")}
    done = command_line("models", "retire", "rooms", "--because", "hosts leaked", env=env, timeout=120)
    assert "go on answering with v0" in done.stdout, done.stdout + done.stderr
    assert project.decided("segregate.group=host") == {"decision": "promote", "reason": "v1 is the champion"}
    project.use_case = "rooms"
    assert project.history() == [("promote", None, "v0"), ("retire", "v0", None), ("promote", None, "v1")]


def test_a_model_that_learnt_nothing_is_no_champion_and_the_screen_says_why(tmp_path):
    random = np.random.default_rng(0)
    noise = pd.DataFrame({"x": random.normal(size=200), "y": random.choice(["a", "b"], 200)})
    noise.to_csv(tmp_path / "noise.csv", index=False)
    config = tmp_path / "noise.yaml"
    config.write_text(
        f"target: y\ncolumns: {{x: numerical, y: categorical}}\ndownload: {{source: {tmp_path / 'noise.csv'}}}\n"
        "train: {model: linear}\n"
    )
    env = {"TABPIPE_HOME": str(tmp_path / "home")}
    done = command_line("run", str(config), env=env, timeout=250)
    assert done.returncode == 0 and "promote  there is no champion: AUC" in done.stdout, done.stdout + done.stderr
    assert "of guessing" in done.stdout
    page = (tmp_path / "home" / "noise" / "latest" / "reports" / "promote.html").read_text()
    assert "Not promoted: there is still no champion" in page
    assert "<small>guessing 0.5000</small>" in page


def test_a_store_that_is_away_ends_the_run_before_anything_is_decided(tmp_path):
    away = {"TABPIPE_ARTIFACTS": "s3://tabpipe/artifacts", "TABPIPE_ARTIFACTS_ENDPOINT_URL": "http://127.0.0.1:9"}
    keys = {"TABPIPE_ARTIFACTS_ACCESS_KEY_ID": "k", "TABPIPE_ARTIFACTS_SECRET_ACCESS_KEY": "secret-of-ana"}
    done = command_line("run", "iris", env={"TABPIPE_HOME": str(tmp_path), **away, **keys}, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "s3://tabpipe/artifacts" in said and "mend" in said, said
    assert "Traceback" not in said and "secret-of-ana" not in said


def test_mlflow_away_in_mid_promotion_is_made_good_by_the_next_word(tmp_path):
    project = Project(tmp_path, "iris")
    env = {"TABPIPE_HOME": str(tmp_path), "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    done = command_line("run", "iris", "--json", env=env, timeout=250)
    assert json.loads(done.stdout)["promotion"]["decision"] == "promote", done.stderr
    assert "MLflow could not be written" in done.stderr
    moved = command_line("models", "sync", "iris", env=env, timeout=120)
    assert moved.returncode == 1 and "the move is on record and holds" in moved.stdout, moved.stdout + moved.stderr
    assert "MLflow could not be written: connection refused\n" in moved.stdout
    project.run("train.C=0.001")  # writes what was left, too
    assert _of_alias(project, "champion").tags["tabpipe.artifact"] == "iris.model:v0"
