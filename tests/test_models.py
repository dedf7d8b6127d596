"""Champions: moved by one at a time, with a history, and followed by MLflow's registry."""

import json

import pytest

from components.common.artifacts import open_store
from components.common.artifacts.objects import key_of
from components.common.base.errors import Refusal
from components.common.registry import challenge, given_up, mark, model_name, promote, retire, rollback, standing
from tabpipe.tracking import mlflow_store
from tests.artifact_stores import (
    any_real_url,
    any_url,
    ended,
    flip,
    minio_server,
    moto_server,
    overwrite,
    started,
    write,
)
from tests.conftest import command_line

__all__ = ["any_real_url", "any_url", "minio_server", "moto_server"]
NAME = model_name("music")


@pytest.fixture(name="store")
def store_with_models(url, tmp_path):
    """Three versions of a model, folders as saved models are."""
    store = open_store(url)
    for at in range(3):
        write(tmp_path / f"m{at}" / "MLmodel", f"flavors: {{}}\nnumber: {at}\n")
        store.put(NAME, tmp_path / f"m{at}")
    return store


def _refs(now):
    return [one.ref.partition(":")[2] if one else None for one in (now.champion, now.previous, now.challenger)]


def _champions(store, *refs):
    for ref in refs:
        now = promote(store, standing(store, "music"), f"{NAME}:{ref}", who="ana", why={"metric": "accuracy"})
    return now


def test_a_promotion_moves_the_champion_and_remembers_the_one_before(store):
    assert _refs(standing(store, "music")) == [None, None, None]
    now = _champions(store, "v0", "v2")
    assert _refs(now) == ["v2", "v0", None]
    assert store.aliases(NAME) == {"champion": 2, "previous": 0, "latest": 2}
    moves = store.history(NAME, "champion")
    assert [(move.before, move.after, move.who, move.why["action"]) for move in moves] == [
        (None, 0, "ana", "promote"),
        (0, 2, "ana", "promote"),
    ]


def test_rollbacks_go_back_one_champion_at_a_time(store):
    _champions(store, "v0", "v1", "v2")
    now = rollback(store, standing(store, "music"))
    assert _refs(now) == ["v1", "v0", None]
    assert given_up(store, "music", store.resolve(f"{NAME}:v2")).who
    now = rollback(store, now)
    assert _refs(now) == ["v0", None, None]
    with pytest.raises(Refusal, match="no former champion"):
        rollback(store, now)
    _champions(store, "v2")
    assert given_up(store, "music", store.resolve(f"{NAME}:v2")) is None, "it was promoted again"
    assert _refs(standing(store, "music")) == ["v2", "v0", None]


def test_a_retired_champion_leaves_no_champion_and_does_not_come_back_by_itself(store):
    before = _champions(store, "v0", "v1")
    now = retire(store, before, who="ana", why={"text": "it knew the test rows"})
    assert _refs(now) == [None, None, None] and store.aliases(NAME) == {"latest": 2}
    move = store.history(NAME, "champion")[-1]
    assert (move.before, move.after, move.who, move.why["text"]) == (1, None, "ana", "it knew the test rows")
    assert given_up(store, "music", store.resolve(f"{NAME}:v1")) == move
    assert mark(store, now) != mark(store, standing(store, "rock")), "it is not as if there had never been one"
    with pytest.raises(Refusal, match="there is no champion"):
        retire(store, now)
    assert _refs(_champions(store, "v2")) == ["v2", None, None]
    with pytest.raises(Refusal, match="champion points to v2 by now"):
        retire(store, before)


def test_of_two_who_decided_by_the_same_champion_one_wins_and_the_other_is_told(store):
    seen = _champions(store, "v0")
    promote(store, seen, f"{NAME}:v1", who="run a")
    with pytest.raises(Refusal, match="champion points to v1 by now, not to v0"):
        promote(store, seen, f"{NAME}:v2", who="run b")
    assert _refs(standing(store, "music"))[0] == "v1"
    assert len(store.history(NAME, "champion")) == 2


def test_a_promoted_challenger_is_no_challenger_any_more(store):
    _champions(store, "v0")
    assert _refs(challenge(store, "music", f"{NAME}:v1")) == ["v0", None, "v1"]
    assert _refs(_champions(store, "v1")) == ["v1", "v0", None]


def test_the_mark_changes_with_every_move_and_with_the_store(store, tmp_path):
    marks = [mark(store, standing(store, "music"))]
    for step in (lambda: _champions(store, "v0"), lambda: _champions(store, "v1"), lambda: _champions(store, "v0")):
        step()
        marks.append(mark(store, standing(store, "music")))
    other = open_store(tmp_path / "other")
    marks.append(mark(other, standing(other, "music")))
    assert len(set(marks)) == 5


@pytest.mark.parametrize("damage", [flip, None], ids=["flipped", "gone"])
def test_a_model_that_is_damaged_in_the_store_gets_no_alias(store, damage):
    now = _champions(store, "v0", "v2")
    for ref in ("v0", "v1"):
        digest, _ = store.files(store.resolve(f"{NAME}:{ref}"))["MLmodel"]
        overwrite(store, key_of(digest), damage)
    for move in (
        lambda: promote(store, now, f"{NAME}:v1"),
        lambda: challenge(store, "music", f"{NAME}:v1"),
        lambda: rollback(store, now),
    ):
        with pytest.raises(Refusal, match="damaged" if damage else "missing"):
            move()
    assert standing(store, "music") == now


_RIVAL = """
import os, sys, time
from components.common.artifacts import open_store
from components.common.base.errors import Refusal
from components.common.registry import promote, standing
store, seen = open_store(sys.argv[1]), standing(open_store(sys.argv[1]), "music")
print("ready", flush=True)
while not os.path.exists(sys.argv[3]):
    time.sleep(0.001)
try:
    promote(store, seen, sys.argv[2], who=sys.argv[2])
    print("won")
except Refusal as refusal:
    print("lost", refusal.problem)
"""


def test_of_8_processes_at_once_exactly_one_promotes(real_url, tmp_path):
    store = open_store(real_url)
    for at in range(9):
        write(tmp_path / f"m{at}" / "MLmodel", f"number: {at}\n")
        store.put(NAME, tmp_path / f"m{at}")
    _champions(store, "v0")
    rivals = [started(_RIVAL, real_url, f"{NAME}:v{at}", tmp_path / "go") for at in range(1, 9)]
    assert all(rival.stdout.readline() == "ready\n" for rival in rivals), "each has seen the same champion"
    (tmp_path / "go").touch()
    said = [ended(rival) for rival in rivals]
    assert sum("won" in words for words in said) == 1, said
    assert sum("somebody has moved it" in words for words in said) == 7, said
    assert len(store.history(NAME, "champion")) == 2


# --- MLflow's registry, which is told what the store says, wherever that is

on_a_folder = pytest.mark.parametrize("url", ["folder"], indirect=True)


@pytest.fixture(name="client")
def registry(tmp_path, monkeypatch):
    from mlflow import MlflowClient

    mlflow_store._make(tmp_path / "mlflow.db", (tmp_path / "mlartifacts").as_uri())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client.create_experiment("music", (tmp_path / "mlartifacts").as_uri())
    return client


def _register(client, store, tmp_path, *refs):
    from components.common.registry.mlflow_sync import register

    for ref in refs:
        version = store.resolve(f"{NAME}:{ref}")
        run = client.create_run(client.get_experiment_by_name("music").experiment_id).info.run_id
        register(client, "music", version.digest, run_id=run, path=tmp_path / f"m{version.number}", tags={"a": 1})


def _mirror(client, store):
    from components.common.registry.mlflow_sync import mirror

    words = mirror(client, store, "music")
    return words, {alias: int(number) for alias, number in client.get_registered_model("music").aliases.items()}


@on_a_folder
def test_mlflow_follows_promotions_and_rollbacks(client, store, tmp_path):
    _register(client, store, tmp_path, "v2", "v0", "v0", "v1")
    assert len(client.search_model_versions("name = 'music'")) == 3, "the same model is registered once"
    assert _mirror(client, store) == ([], {})
    _champions(store, "v0")
    assert _mirror(client, store) == ([], {"champion": 2})
    _champions(store, "v1")
    challenge(store, "music", f"{NAME}:v2")
    assert _mirror(client, store) == ([], {"champion": 3, "previous": 2, "challenger": 1})
    rollback(store, standing(store, "music"))
    assert _mirror(client, store) == ([], {"champion": 2, "challenger": 1})
    found = client.get_model_version_by_alias("music", "champion")
    assert found.tags["tabpipe.artifact"] == f"{NAME}:v0" and found.tags["a"] == "1"


@on_a_folder
def test_what_was_stopped_halfway_is_made_good_by_the_next_call(client, store, tmp_path):
    _register(client, store, tmp_path, "v0", "v1")
    _champions(store, "v0")
    _mirror(client, store)
    store.alias(NAME, "champion", f"{NAME}:v1", "run x", why={"action": "promote"})  # and nothing after it
    assert _mirror(client, store) == ([], {"champion": 2, "previous": 1})
    assert store.aliases(NAME)["previous"] == 0


@on_a_folder
def test_a_champion_moved_in_mlflow_by_hand_is_left_and_told_of(client, store, tmp_path):
    from components.common.registry.mlflow_sync import forget_moves

    _register(client, store, tmp_path, "v0", "v1", "v2")
    _champions(store, "v0", "v1")
    _mirror(client, store)
    client.set_registered_model_alias("music", "champion", "3")
    words, aliases = _mirror(client, store)
    assert "version 3, not 2" in words[0] and aliases["champion"] == 3
    forget_moves(client, "music")
    assert _mirror(client, store) == ([], {"champion": 2, "previous": 1})


@on_a_folder
def test_a_model_that_mlflow_never_saw_is_told_of(client, store):
    _champions(store, "v0")
    words, aliases = _mirror(client, store)
    assert "does not know music.model:v0" in words[0] and aliases == {}


# --- the commands


@pytest.fixture(name="models")
def models_command(tmp_path):
    store = open_store(tmp_path / "home" / "artifacts")
    for at in range(3):
        write(tmp_path / f"m{at}" / "MLmodel", f"number: {at}\n")
        store.put(NAME, tmp_path / f"m{at}")

    def run(*arguments):
        return command_line("models", *arguments, env={"TABPIPE_HOME": str(tmp_path / "home")}, timeout=60)

    return run


def test_people_promote_list_and_roll_back_by_command(models):
    assert models("promote", "music", "v0").returncode == 1, "MLflow never saw it, and the command says so"
    done = models("promote", "music", "v1", "--why", "asked by ana", "--expect", "v0")
    assert "champion    music.model:v1, was v0" in done.stdout and "MLflow does not know" in done.stdout
    listed = json.loads(models("list", "--json").stdout)
    assert listed[0]["champion"] == "music.model:v1" and listed[0]["previous"] == "music.model:v0"
    assert "asked by ana" in models("history", "music").stdout
    assert "champion    music.model:v0, was v1" in models("rollback", "music").stdout
    history = json.loads(models("history", "music", "--json").stdout)
    assert [(one["why"]["action"], one["to"]) for one in history] == [
        ("promote", "v0"),
        ("promote", "v1"),
        ("rollback", "v0"),
    ]
    assert "champion" in models("list", "music").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["promote", "musik", "v0"], "did you mean 'music'", id="unknown model"),
        pytest.param(["promote", "music", "v9"], "v9", id="unknown version"),
        pytest.param(["promote", "music"], "has no challenger", id="no challenger"),
        pytest.param(["promote", "music", "v1", "--expect", "v0"], "the champion is none, not v0", id="not expected"),
        pytest.param(["promote", "music", "../v1"], "..", id="a path"),
        pytest.param(["rollback", "music"], "there is no champion", id="nothing to roll back"),
        pytest.param(["retire", "music", "--because", "old"], "there is no champion", id="nothing to retire"),
        pytest.param(["retire", "music", "--because", " "], "without a reason", id="no reason"),
    ],
)
def test_commands_that_cannot_be_done_say_why(models, arguments, said):
    done = models(*arguments)
    assert done.returncode == 2 and said.lower() in done.stderr.lower(), done.stderr
    assert "Traceback" not in done.stderr
