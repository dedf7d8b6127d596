"""Steps that publish by themselves, as on a cluster: into a store of its own keys, and never at the price of a step."""

import json
import os
import urllib.request
from types import SimpleNamespace

import pytest

from components.common.artifacts import open_store
from components.common.artifacts.lineage import lineage
from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from components.common.tracking.publish import IMAGE, USE_CASE
from components.common.tracking.record import KFP_RUN, SPOOL
from components.common.tracking.step import step
from tests.artifact_stores import (
    MINIO,
    bucket_url,
    minio_server,  # noqa: F401 - a fixture, as is the next
    moto_server,  # noqa: F401
)
from tests.conftest import command_line

OWN = {
    "ENDPOINT_URL": "AWS_ENDPOINT_URL",
    "ACCESS_KEY_ID": "AWS_ACCESS_KEY_ID",
    "SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    "REGION": "AWS_DEFAULT_REGION",
}
"""What can be the store's own, to the variable that it stands in otherwise."""


@pytest.fixture
def theirs(request, monkeypatch):
    """An s3:// store whose server and keys are its own: those of AWS_* lead to nothing."""
    server = request.getfixturevalue("minio").environment if MINIO else request.getfixturevalue("moto")
    url = bucket_url(server, monkeypatch)
    for own, variable in OWN.items():
        monkeypatch.setenv(f"TABPIPE_ARTIFACTS_{own}", server[variable])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-source")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-source-too")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-source-as-well")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    return url


@pytest.fixture
def on_cluster(monkeypatch):
    """Sets what a step on a cluster finds in its environment."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv(SPOOL, raising=False)

    def set_(url):
        monkeypatch.setenv("TABPIPE_ARTIFACTS", str(url))
        monkeypatch.setenv(USE_CASE, "berries")
        monkeypatch.setenv(KFP_RUN, "80f5f4cb")
        monkeypatch.setenv(IMAGE, "tabpipe/segregate:12ab")

    return set_


def artifact(path, text, **metadata):
    path.write_text(text)
    return SimpleNamespace(
        path=str(path), uri=path.as_uri(), metadata={"digest": file_digest(path), "rows": 2, **metadata}
    )


def run_step(tmp_path, fail=None):
    """A step that reads one table and makes another, as a component's body does."""
    clean, accepted = artifact(tmp_path / "clean", "a\n1\n2\n"), artifact(tmp_path / "accepted", "a\n2\n1\n")
    with step("check_data", "{}") as (_, record):
        record.used("clean", clean)
        record.made("accepted", accepted)
        if fail:
            raise fail
    return clean, accepted


def test_a_store_is_reached_by_its_own_settings_where_aws_ones_lead_elsewhere(theirs, tmp_path):
    (tmp_path / "a.txt").write_text("1")
    assert open_store(theirs).put("numbers", tmp_path / "a.txt").ref == "numbers:v0"
    assert open_store(theirs).get("numbers", tmp_path / "b.txt").read_text() == "1"


@pytest.mark.parametrize("dropped", [["ENDPOINT_URL"], ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"]], ids=["server", "keys"])
def test_what_is_not_the_store_s_own_comes_of_aws(theirs, tmp_path, monkeypatch, dropped):
    for name in dropped:
        monkeypatch.setenv(OWN[name], os.environ[f"TABPIPE_ARTIFACTS_{name}"])
        monkeypatch.delenv(f"TABPIPE_ARTIFACTS_{name}")
    if "ACCESS_KEY_ID" in dropped:
        monkeypatch.delenv("AWS_SESSION_TOKEN")
    (tmp_path / "a.txt").write_text("1")
    assert open_store(theirs).put("numbers", tmp_path / "a.txt").number == 0


@pytest.mark.parametrize("missing", ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY"])
def test_half_a_pair_of_keys_is_refused_by_name(theirs, monkeypatch, missing):
    monkeypatch.delenv(f"TABPIPE_ARTIFACTS_{missing}")
    with pytest.raises(Refusal, match=f"TABPIPE_ARTIFACTS_{missing}: the other one of the two keys is set"):
        open_store(theirs)


@pytest.mark.skipif(not MINIO, reason="moto lets any key in")
def test_keys_that_the_store_does_not_know_are_named_by_their_variables(theirs, monkeypatch):
    monkeypatch.setenv("TABPIPE_ARTIFACTS_ACCESS_KEY_ID", "nobody")
    with pytest.raises(Refusal, match="mend:  check TABPIPE_ARTIFACTS_ENDPOINT_URL, TABPIPE_ARTIFACTS_ACCESS_KEY_ID"):
        open_store(theirs).names()


def test_a_step_on_a_cluster_publishes_what_it_has_made(theirs, tmp_path, on_cluster):
    on_cluster(theirs)
    clean, accepted = run_step(tmp_path)
    version = open_store().resolve("berries.accepted")
    assert version.digest == accepted.metadata["digest"] and version.metadata == {"rows": 2}
    assert version.made_by == {
        "run": "80f5f4cb",
        "image": "tabpipe/segregate:12ab",
        "step": "check_data",
        "use_case": "berries",
    }
    assert [one.digest for one in version.inputs] == [clean.metadata["digest"]]
    run_step(tmp_path)
    assert len(open_store().versions("berries.accepted")) == 1, "a step that is tried again makes no second version"
    open_store().put("berries.clean", clean.path)
    assert set(lineage(open_store(), "berries.accepted").nodes) == {"berries.accepted:v0", "berries.clean:v0"}


@pytest.mark.parametrize(
    "fail", [Refusal("no row is left"), RuntimeError("a bug")], ids=["refuses its input", "breaks"]
)
def test_a_step_that_does_not_end_well_publishes_nothing(tmp_path, on_cluster, fail):
    on_cluster(tmp_path / "store")
    with pytest.raises((SystemExit, RuntimeError)):
        run_step(tmp_path, fail)
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("unset", [USE_CASE, "TABPIPE_ARTIFACTS"])
def test_nothing_is_published_where_the_environment_does_not_ask_for_it(tmp_path, on_cluster, monkeypatch, unset):
    on_cluster(tmp_path / "store")
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv(unset)
    run_step(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"clean", "accepted"}


def test_an_engine_with_a_spool_publishes_by_itself(tmp_path, on_cluster, monkeypatch):
    on_cluster(tmp_path / "store")
    monkeypatch.setenv(SPOOL, str(tmp_path / "check_data.json"))
    run_step(tmp_path)
    assert (tmp_path / "check_data.json").is_file() and not (tmp_path / "store").exists()


def _away(tmp_path, monkeypatch):
    monkeypatch.setattr("components.common.storage.fetch.PAUSES", (0.0, 0.0))
    monkeypatch.setenv("TABPIPE_ARTIFACTS_ENDPOINT_URL", "http://127.0.0.1:1")
    return "s3://tabpipe/artifacts"


def _a_file(tmp_path, monkeypatch):
    (tmp_path / "store").write_text("")
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("broken", "words"),
    [(_away, "the connection failed"), (_a_file, "this is a file"), (lambda *_: "ftp://x/y", "not known")],
    ids=["away", "a file", "another kind"],
)
def test_a_store_that_fails_costs_a_line_in_the_log_and_no_step(
    tmp_path, on_cluster, monkeypatch, capsys, broken, words
):
    on_cluster(broken(tmp_path, monkeypatch))
    run_step(tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 and lines[0].startswith("what check_data has made is not among the artifacts: ")
    assert words in lines[0]


@pytest.fixture(name="cluster", scope="module")
def reached_cluster():
    from tabpipe.cluster.client import connect

    try:
        return connect()
    except Refusal as refusal:
        pytest.skip(f"no Kubeflow Pipelines to run on: {str(refusal).splitlines()[0]}")


@pytest.mark.cluster
def test_what_a_cluster_s_run_makes_is_what_a_local_run_makes(cluster, tmp_path):
    def json_of(*arguments):
        done = command_line(*arguments, "--json", env={"TABPIPE_HOME": str(tmp_path)}, timeout=1500)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    # A seed that no run before had, so that nothing from segregate on is cached.
    changed = f"segregate.seed={int.from_bytes(os.urandom(3))}"
    run_id = json_of("submit", "iris", changed)["run_id"]
    json_of("run", "iris", changed)
    here = open_store(tmp_path / "artifacts")
    for name in ("raw", "clean", "accepted", "train", "validation", "test", "evaluate_report"):
        local = here.resolve(f"iris.{name}")
        there = json_of("artifacts", "show", f"iris.{name}:{local.digest}", "--cluster")
        assert json.dumps(there["metadata"], sort_keys=True) == json.dumps(dict(local.metadata), sort_keys=True)
        if name in ("train", "validation", "test"):
            assert there["made_by"]["run"] == run_id and there["made_by"]["image"].startswith("tabpipe/segregate:")
    # The model's description names the Python that trained it, which may be another one; the model itself is equal.
    model = json_of("artifacts", "show", "iris.model", "--cluster")
    assert model["made_by"]["run"] == run_id
    pickled = here.files(here.resolve("iris.model"))["model.pkl"][0]
    assert model["contents"]["model.pkl"]["digest"] == pickled
    upstream = {node.get("name") for node in json_of("artifacts", "lineage", "iris.model", "--cluster")["nodes"]}
    assert {"iris.raw", "iris.clean", "iris.accepted", "iris.train", "iris.validation"} <= upstream


@pytest.mark.cluster
def test_mlflow_of_a_cluster_answers_its_client_and_a_service_that_is_not_there_is_named(cluster):
    from tabpipe.cluster.forward import forwarded
    from tabpipe.cluster.store import reached_mlflow

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with reached_mlflow(cluster) as address:
        assert direct.open(f"{address}/health", timeout=30).read() == b"OK"
    with pytest.raises(OSError):
        direct.open(f"{address}/health", timeout=5)
    words = r"the thing cannot be reached: .*no-such-service"
    with pytest.raises(Refusal, match=words), forwarded(cluster, "no-such-service", 1, "the thing"):
        pass
