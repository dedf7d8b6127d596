"""The served models follow their sources, and answer whatever happens to these."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest

from components.common.artifacts import digest_of
from images.server.tests.registries import (  # noqa: F401
    copied,
    mlflow_server,
    named_registry,
    settings,
    trained_models,
    until,
)
from tabpipe_server import watching
from tabpipe_server.cache import place_of
from tabpipe_server.models import Models

pytestmark = pytest.mark.run

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def watched(given):
    """Models that a watcher keeps up to date, and what it said of swaps."""
    models, swaps = Models(), []
    watcher = watching.Watcher(
        given, models, lambda role, served: swaps.append((role, served.version if served else None))
    )
    models.watcher, models.swaps = watcher, swaps
    watcher.start()
    try:
        yield models
    finally:
        watcher.stop()
        assert watcher.pid is None


def version(models, role="champion"):
    served = models.of(role)
    return served.version if served else None


def served(models, wanted, role="champion", seconds=60):
    """Waits until a version is served."""
    until(lambda: version(models, role) == wanted, seconds, lambda: f"{version(models, role)}: {models.problem}")


def answers(models):
    predictor = models.champion.predictor
    rows = predictor.example
    return predictor.answer({name: [row[name] for row in rows] for name in rows[0]}, len(rows)).predicted.tolist()


@pytest.fixture
def name():
    return f"trees_{uuid.uuid4().hex[:8]}"


def test_a_moved_alias_is_noticed_and_the_old_model_answers_meanwhile(registry, trained, name, tmp_path):
    one = registry.register(name, trained("first"), "champion")
    two = registry.register(name, trained("second"))
    with watched(settings(tmp_path, f"models:/{name}@champion")) as models:
        served(models, one)
        assert (models.champion.name, models.champion.role) == ("trees", "champion")
        assert models.champion.digest == digest_of(trained("first"))
        asked, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                asked.append((version(models), answers(models) is not None))

        thread = threading.Thread(target=ask)
        thread.start()
        registry.alias(name, "champion", two)
        moved = time.monotonic()
        served(models, two)
        took = time.monotonic() - moved
        stop.set()
        thread.join()
        assert {version for version, _ in asked} >= {one}
        assert all(answered for _, answered in asked)
        assert took < 5, took
        assert models.problem == ""
        registry.alias(name, "champion", one)  # rolled back
        served(models, one)
        assert models.swaps == [("champion", one), ("champion", two), ("champion", one)]


def test_a_challenger_appears_changes_and_disappears(registry, trained, name, tmp_path):
    one = registry.register(name, trained("first"), "champion")
    two, three = registry.register(name, trained("second")), registry.register(name, trained("third"))
    with watched(settings(tmp_path, f"models:/{name}@champion", f"models:/{name}@challenger")) as models:
        served(models, one)
        until(lambda: "challenger" in models.looked)
        assert models.challenger is None and models.problem == ""
        for wanted in (two, three, None):
            registry.alias(name, "challenger", wanted)
            served(models, wanted, "challenger")
        registry.alias(name, "challenger", two)
        served(models, two, "challenger")
        registry.alias(name, "champion", two)  # promoted: it is loaded already
        predictor = models.challenger.predictor
        served(models, two)
        assert models.champion.predictor is predictor
        registry.alias(name, "challenger", None)
        served(models, None, "challenger")
        assert models.problem == ""


def test_the_registry_goes_away_and_comes_back(registry, trained, name, tmp_path):
    one = registry.register(name, trained("first"), "champion")
    two = registry.register(name, trained("second"))
    with watched(settings(tmp_path, f"models:/{name}@champion")) as models:
        served(models, one)
        registry.stop()
        try:
            problem = until(lambda: models.problem, what="no problem was told")
            assert f"version {one} goes on answering" in problem
            assert answers(models)
        finally:
            registry.start()
        registry.alias(name, "champion", two)
        served(models, two)
        until(lambda: models.problem == "")


def test_a_start_without_the_registry_serves_the_copy_and_says_so(registry, trained, name, tmp_path):
    one = registry.register(name, trained("first"), "champion")
    given = settings(tmp_path, f"models:/{name}@champion", f"models:/{name}@challenger")
    registry.register(name, trained("second"), "challenger")
    with watched(given) as models:
        served(models, one)
        until(lambda: models.challenger)
    registry.stop()
    try:
        with watched(given) as models:
            served(models, one)
            until(lambda: f"version {one} goes on answering" in models.problem)
            until(lambda: models.challenger)
            assert answers(models)
            registry.start()
            until(lambda: models.problem == "")
            assert [swap for swap in models.swaps if swap[0] == "champion"] == [("champion", one)]
    finally:
        if registry.process.poll() is not None:
            registry.start()


def test_a_start_with_neither_is_told_and_tried_again(registry, trained, name, tmp_path):
    one = registry.register(name, trained("first"), "champion")
    registry.stop()
    with watched(settings(tmp_path, f"models:/{name}@champion")) as models:
        try:
            problem = until(lambda: models.problem)
            assert "there is no whole copy of it on this machine either" in problem
            assert models.champion is None
        finally:
            registry.start()
        served(models, one)
        until(lambda: models.problem == "")


@pytest.mark.parametrize("silent", [True, False], ids=["that never answers", "that is slow with each byte"])
def test_a_registry_is_not_waited_for_forever(silent, trained, tmp_path, monkeypatch):
    import socket

    listener = socket.create_server(("127.0.0.1", 0))

    def drip():
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            if not silent:
                threading.Thread(target=trickle, args=(caller,), daemon=True).start()
            held.append(caller)

    def trickle(caller):
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n")
        while True:
            try:
                caller.sendall(b" ")
            except OSError:
                return
            time.sleep(0.2)

    held = []
    threading.Thread(target=drip, daemon=True).start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://user:pass-word@127.0.0.1:{listener.getsockname()[1]}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(watching, "FIRST_ANSWER_SECONDS", 0.5)
    with watched(settings(tmp_path, "models:/trees@champion", look_seconds=4)) as models:
        until(lambda: "not answered yet" in models.problem)
        problem = until(lambda: "not answered yet" not in models.problem and models.problem)
        assert "pass-word" not in problem
    listener.close()


@pytest.mark.parametrize("fault", ["damaged", "no model", "another signature"])
def test_a_model_that_does_not_load_does_not_replace_the_good_one(fault, trained, tmp_path):
    folder = copied(trained("first"), tmp_path / "served")
    bad = copied(trained("second"), tmp_path / "bad")
    for path in bad.rglob("*"):
        if fault == "damaged" and path.is_file() and path.name not in ("MLmodel", "input_example.json"):
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    if fault == "no model":
        (bad / "MLmodel").write_text("flavors: {}\n")
        for path in bad.rglob("*"):
            if path.is_file() and path.name != "MLmodel":
                path.unlink()
    if fault == "another signature":
        example = json.loads((bad / "input_example.json").read_text())
        example["data"][0][example["columns"].index("girth")] = "wide"
        (bad / "input_example.json").write_text(json.dumps(example))
    with watched(settings(tmp_path, folder)) as models:
        until(lambda: models.champion, what=lambda: models.problem)
        good = version(models)
        folder.rename(tmp_path / "good")
        bad.rename(folder)
        problem = until(lambda: "cannot be loaded" in models.problem and models.problem)
        assert f"version {good} goes on answering" in problem
        looked = models.looked["champion"]
        until(lambda: models.looked["champion"] > looked)  # the source answers, and the problem remains
        assert models.problem == problem
        assert version(models) == good and answers(models)
        folder.rename(tmp_path / "bad")
        copied(trained("third"), folder)
        until(lambda: version(models) != good)
        until(lambda: models.problem == "")


def test_a_challenger_that_answers_another_question_is_not_asked(trained, tmp_path):
    with watched(settings(tmp_path, trained("first"), str(trained("regression")))) as models:
        until(lambda: models.champion)
        assert "another task than the champion" in until(lambda: models.problem)
        assert models.challenger is None


def test_a_folder_that_is_written_anew_is_followed_and_a_missing_one_told(trained, tmp_path):
    folder = tmp_path / "model"
    with watched(settings(tmp_path, folder)) as models:
        assert "means no model" in until(lambda: models.problem)
        copied(trained("first"), folder)
        until(lambda: models.champion)
        first = version(models)
        assert digest_of(trained("first")).startswith(first)
        folder.rename(tmp_path / "away")
        until(lambda: "goes on answering" in models.problem)
        copied(trained("second"), folder)
        until(lambda: version(models) != first)
        until(lambda: models.problem == "")


def test_a_killed_fetcher_is_started_again_and_leaves_no_zombie(trained, tmp_path):
    folder = copied(trained("first"), tmp_path / "model")
    with watched(settings(tmp_path, folder)) as models:
        until(lambda: models.champion)
        first, pid = version(models), models.watcher.pid
        os.kill(pid, signal.SIGKILL)
        folder.rename(tmp_path / "away")
        copied(trained("second"), folder)
        until(lambda: version(models) != first)
        assert models.watcher.pid not in (None, pid)
        assert not Path(f"/proc/{pid}").exists()
        until(lambda: models.problem == "")
        pid = models.watcher.pid
    assert not Path(f"/proc/{pid}").exists()


def test_the_fetcher_ends_with_a_server_that_is_killed(trained, tmp_path):
    code = """
import sys, time
from types import SimpleNamespace
from tabpipe_server.models import Models
from tabpipe_server.watching import Watcher
models = Models()
given = SimpleNamespace(model=sys.argv[1], challenger=None, name="", cache=sys.argv[2], poll=60)
watcher = Watcher(given, models)
watcher.start()
while not models.champion: time.sleep(0.02)
print(watcher.pid, flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")])}
    server = subprocess.Popen(
        [sys.executable, "-c", code, str(trained("first")), str(tmp_path / "cache")],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(server.stdout.readline())
    command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    assert command[1:3] == [b"-m", b"tabpipe_server.fetcher"] and len(command) == 4  # no argument tells anything
    server.kill()
    server.communicate()
    until(lambda: not _runs(child), 5, "the fetcher still runs")


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_damaged_copy_is_noticed_and_fetched_anew(registry, trained, name, tmp_path):
    one = registry.register(name, trained("first"), "champion")
    given = settings(tmp_path, f"models:/{name}@champion")
    with watched(given) as models:
        served(models, one)
        digest = models.champion.digest
    copy = place_of(given.cache, "champion", given.model) / digest
    for path in copy.rglob("*"):
        if path.is_file():
            path.write_bytes(b"\0" * path.stat().st_size)
    with watched(given) as models:
        served(models, one)
        until(lambda: models.problem == "")
    assert digest_of(copy) == digest


def test_a_failing_listener_does_not_stop_the_watcher(trained, tmp_path):
    folder, models = copied(trained("first"), tmp_path / "model"), Models()

    def fail(role, served):
        raise ValueError("no")

    watcher = watching.Watcher(settings(tmp_path, folder), models, fail)
    watcher.start()
    try:
        until(lambda: models.champion)
        first = version(models)
        folder.rename(tmp_path / "away")
        copied(trained("second"), folder)
        until(lambda: version(models) != first)
    finally:
        watcher.stop()
