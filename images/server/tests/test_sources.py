"""Models are found and brought from each kind of source; copies on this machine are whole."""

import os
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest

from components.common.artifacts import digest_of, open_store
from components.common.base.errors import Refusal
from components.common.registry.model_source import source_of
from images.server.tests.registries import (  # noqa: F401
    Mlflow,
    copied,
    mlflow_server,
    named_registry,
    trained_models,
    until,
)
from tabpipe_server import cache
from tabpipe_server.redaction import redacted
from tests.artifact_stores import MINIO, bucket_url, minio_server, moto_server  # noqa: F401

pytestmark = pytest.mark.run

ROOT = Path(__file__).resolve().parents[3]


def started(code, *arguments, **streams):
    """Starts Python code in a process of its own, which finds the server and the components."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "images" / "server")])}
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=environment, text=True, **streams)


def brought(source, place):
    found = source.look()
    return found, *cache.brought(place, found.digest, lambda target: source.bring(found, target))


@pytest.fixture(params=["through the server", "folder", "s3", "s3 through the server"])
def any_registry(request, tmp_path, monkeypatch):
    """MLflow servers whose artifacts are reached in different ways."""
    artifacts = str(tmp_path / "artifacts")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    if request.param.startswith("s3"):
        s3 = request.getfixturevalue("minio").environment if MINIO else request.getfixturevalue("moto")
        artifacts = bucket_url(s3, monkeypatch)
        monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", s3["AWS_ENDPOINT_URL"])
    server = Mlflow(tmp_path, artifacts, proxied="through" in request.param)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    yield server
    server.stop()


def test_a_registered_model_comes_as_it_was_registered(any_registry, trained, tmp_path):
    one = any_registry.register("trees", trained("first"), "champion")
    two = any_registry.register("trees", trained("second"), tagged=False)
    found, digest, folder = brought(source_of("models:/trees@champion"), tmp_path / "copies")
    assert (found.name, found.version, found.digest) == ("trees", one, digest_of(trained("first")))
    assert digest == found.digest == digest_of(folder)
    found, digest, folder = brought(source_of(f"models:/trees/{two}"), tmp_path / "copies")
    assert (found.version, found.digest, digest) == (two, "", digest_of(trained("second")))
    assert source_of("models:/trees@nobody").look() is None
    assert source_of("models:/trees/99").look() is None
    assert source_of("models:/shrubs@champion").look() is None
    assert not list((tmp_path / "copies").glob(".part-*"))


def test_a_model_that_mlflow_itself_logged_comes_too(registry, tmp_path):
    import mlflow as ml
    from sklearn.linear_model import LogisticRegression

    name = f"m{uuid.uuid4().hex[:8]}"
    with ml.start_run():
        model = LogisticRegression().fit([[0], [1]], [0, 1])
        ml.sklearn.log_model(model, name="model", registered_model_name=name, pip_requirements=["scikit-learn"])
    _, digest, folder = brought(source_of(f"models:/{name}/1"), tmp_path / "copies")
    assert {"MLmodel", "conda.yaml"} < {path.name for path in folder.iterdir()}
    assert ml.sklearn.load_model(str(folder)).predict([[1]]).tolist() == [1]
    assert not (folder / "registered_model_meta").exists()
    assert digest_of(folder) == digest


def test_a_model_that_was_changed_where_it_is_kept_is_refused(registry, trained, tmp_path):
    name = f"m{uuid.uuid4().hex[:8]}"
    registry.register(name, trained("first"), "champion")
    source = source_of(f"models:/{name}@champion")
    from mlflow import MlflowClient

    run = MlflowClient(registry.uri).get_model_version_by_alias(name, "champion").run_id
    kept = next(Path(registry._folder / "artifacts").rglob(f"{run}/artifacts/model/MLmodel"))
    kept.write_text(kept.read_text() + "\n")
    with pytest.raises(Refusal, match="damaged where it is kept"):
        brought(source, tmp_path / "copies")
    assert [one.name for one in (tmp_path / "copies").iterdir()] == []


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_model_of_an_artifact_store_follows_its_alias(kind, trained, tmp_path, request, monkeypatch):
    url = str(tmp_path / "store")
    if kind == "s3":
        s3 = request.getfixturevalue("minio").environment if MINIO else request.getfixturevalue("moto")
        url = bucket_url(s3, monkeypatch)
    monkeypatch.setenv("TABPIPE_ARTIFACTS", url)
    source = source_of("artifact://trees.model:champion")
    with pytest.raises(Refusal, match="there is no artifact store"):
        source.look()
    store = open_store()
    store.put("trees.model", trained("first"))
    assert source.look() is None
    store.alias("trees.model", "champion", "v0")
    found, digest, folder = brought(source, tmp_path / "copies")
    assert (found.name, found.version, digest) == ("trees", "v0", digest_of(trained("first")))
    assert digest_of(folder) == digest
    store.put("trees.model", trained("second"))
    store.alias("trees.model", "champion", "v1")
    found, digest, _ = brought(source, tmp_path / "copies")
    assert (found.version, digest) == ("v1", digest_of(trained("second")))
    assert brought(source_of("artifact://trees.model:v0"), tmp_path / "copies")[1] == digest_of(trained("first"))


def test_a_folder_is_known_by_all_of_its_files(trained, tmp_path):
    folder = copied(trained("first"), tmp_path / "model")
    source = source_of(str(folder))
    before = source.look()
    assert source.look() == before
    model = folder / "model.pkl"
    model.write_bytes(model.read_bytes())
    assert source.look() != before
    with pytest.raises(Refusal, match="being written to"):
        cache.brought(tmp_path / "copies", "", lambda target: source.bring(before, target))
    assert not list((tmp_path / "copies").iterdir())


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("models:/trees", "models:/NAME@ALIAS"),
        ("models:/trees/latest", "models:/NAME@ALIAS"),
        ("http://models/trees", "models:/NAME@ALIAS"),
        ("artifact://..:x", "starting with a letter"),
    ],
)
def test_what_is_no_source_is_refused(text, rule, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(Refusal) as refused:
        source_of(text)
    assert rule in str(refused.value)


def test_a_registry_is_needed_for_a_registered_model(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    with pytest.raises(Refusal, match="MLFLOW_TRACKING_URI"):
        source_of("models:/trees@champion")


def test_a_tag_that_is_a_path_is_no_digest(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    tags = {"tabpipe.digest": "../../elsewhere"}
    version = SimpleNamespace(version=1, status="READY", creation_timestamp=0, source="runs:/x/model", tags=tags)
    source = source_of("models:/trees/1")
    monkeypatch.setattr(source, "_kept", SimpleNamespace(get_model_version=lambda name, number: version))
    with pytest.raises(Refusal, match=r"models:/trees/1, tag tabpipe.digest: not a digest"):
        source.look()


def test_the_last_two_copies_are_kept_and_the_present_one_is_known(trained, tmp_path):
    place = cache.place_of(tmp_path, "champion", "models:/trees@champion")
    assert cache.last(place) is None
    for number, name in enumerate(["first", "second", "third", "second"]):
        _, digest, folder = brought(source_of(str(trained(name))), place)
        cache.note(place, cache.Copy("trees", str(number), digest, str(folder)))
    kept = {digest_of(trained(name)) for name in ("second", "third")}
    assert {one.name for one in place.iterdir()} == kept
    assert cache.last(place).version == "3"
    cache.forget(place)
    assert cache.last(place) is None


def test_the_same_name_in_another_registry_is_another_model(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://one")
    one = cache.place_of(tmp_path, "champion", "models:/trees@champion")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://two")
    assert cache.place_of(tmp_path, "champion", "models:/trees@champion") != one


@pytest.mark.parametrize("note", ["", "{", '{"copies": [{"name": "a"}]}', '{"copies": [{"digest": "../../etc"}]}'])
def test_a_damaged_note_is_as_good_as_none(note, tmp_path):
    place = cache.place_of(tmp_path, "champion", "models")
    place.mkdir(parents=True)
    cache.note_of(place).write_text(note)
    assert cache.last(place) is None


BRINGS_MANY = """
import sys
from pathlib import Path
from components.common.registry.model_source import source_of
from tabpipe_server import cache
place = Path(sys.argv[2])
for _ in range(15):
    source = source_of(sys.argv[1])
    found = source.look()
    digest, folder = cache.brought(place, found.digest, lambda target: source.bring(found, target))
    cache.note(place, cache.Copy("trees", "1", digest, str(folder)))
"""


def test_servers_that_share_a_cache_do_not_disturb_each_other(trained, tmp_path):
    place = tmp_path / "champion-x"
    servers = [started(BRINGS_MANY, trained(name), place) for name in ("first", "second")]
    assert [server.wait(60) for server in servers] == [0, 0]
    digests = {digest_of(trained("first")), digest_of(trained("second"))}
    assert all(cache.whole(place / digest, digest) for digest in digests)
    assert not list(place.glob(".part-*"))


def test_a_copy_that_was_cut_short_by_a_kill_is_swept_and_one_in_the_making_is_not(tmp_path):
    code = """
import sys, time
from pathlib import Path
from tabpipe_server import cache
def bring(target):
    (target / "half").write_text("half")
    print("now", flush=True)
    time.sleep(60)
cache.brought(Path(sys.argv[1]), "", bring)
"""
    place = tmp_path / "champion-x"
    maker = started(code, place, stdout=subprocess.PIPE)
    maker.stdout.readline()
    cache.sweep(place)
    assert len(list(place.glob(".part-*/half"))) == 1
    maker.send_signal(signal.SIGKILL)
    maker.communicate()
    cache.sweep(place)
    assert list(place.iterdir()) == []


def test_a_full_or_closed_cache_is_told(trained, tmp_path):
    (tmp_path / "champion-x").write_text("no folder")
    with pytest.raises(Refusal, match="no copy of the model could be kept"):
        brought(source_of(str(trained("first"))), tmp_path / "champion-x")


def test_secrets_are_not_told(monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very/secret+value")
    said = redacted("GET http://me:my-word@host/x?token=abc failed\n with very/secret+value in 'https://u:p@h'")
    assert "my-word" not in said and "abc" not in said and "very" not in said and "u:p" not in said
    assert said.startswith("GET http://host/x?token=*** failed; with *** in 'https://h'")


def test_the_client_of_the_image_suffices(registry, trained, tmp_path):
    """The image has mlflow-skinny: what only the whole MLflow brings is hidden from the process that fetches."""
    name = f"m{uuid.uuid4().hex[:8]}"
    one = registry.register(name, trained("first"), "champion")
    hidden = ["sqlalchemy", "alembic", "flask", "graphene", "docker"]
    code = f"""
import sys
sys.modules.update(dict.fromkeys({hidden}))
from tabpipe_server import fetcher
fetcher.main()
"""
    child = started(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    timer = threading.Timer(60, child.kill)
    timer.start()
    task = f'{{"models": {{"champion": "models:/{name}@champion"}}, "cache": "{tmp_path}", "poll": 1}}\n'
    child.stdin.write(task)
    child.stdin.flush()
    heard = ""
    for line in child.stdout:
        if line.strip():
            heard = line
            break
    child.stdin.close()
    child.wait(10)
    timer.cancel()
    child.stdout.close()
    assert f'"version": "{one}"' in heard and '"event": "model"' in heard, heard
