"""Real trainings, one after the other: the better model becomes the champion, the worse one does not."""

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, command_line

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


def _registry(project):
    from mlflow import MlflowClient

    model = MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}").get_registered_model(project.use_case)
    return {alias: int(number) for alias, number in model.aliases.items()}


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
