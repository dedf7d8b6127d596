"""Runs made again and releases run beside the working tree, in a clone of the project with two commits."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from components.common.artifacts import digest_of
from components.common.base.errors import Refusal
from tabpipe.runs.download_run import bring
from tabpipe.runs.find import Kept
from tests import forked
from tests.conftest import FRUIT, ROOT, all_tracked, fruit

pytestmark = pytest.mark.run

OTHER_SEED = ("values[spec.seed] = section.seed", "values[spec.seed] = section.seed + 1")
"""What the second commit changes: every model differs from then on."""


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def change_code(project, old=OTHER_SEED[0], new=OTHER_SEED[1]):
    path = project / "components" / "train" / "models.py"
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def call(project, home, *arguments, cwd=None):
    """Runs a command of the clone; its exit code, its JSON document if it printed one, and what it printed."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"TABPIPE_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    if cwd:
        environment["PYTHONPATH"] = str(project)
    command = [sys.executable, "-m", "tabpipe", *map(str, arguments)]
    done = forked.run(command, cwd=cwd or project, env=environment, timeout=240)
    document = json.loads(done.stdout) if done.stdout.startswith("{") else None
    return SimpleNamespace(code=done.returncode, document=document, out=done.stdout, err=done.stderr)


def digests(summary):
    """Those that are compared: what promote says hangs on the champion of the moment."""
    return {
        f"{step}.{name}": entry["digest"]
        for step, made in summary["outputs"].items()
        for name, entry in made.items()
        if step != "promote"
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The project with the tag v1.0.0 and a later commit, on which it stands, and a run made with v1.0.0."""
    folder = tmp_path_factory.mktemp("two-commits")
    project, home = folder / "project", folder / "home"
    ignored = shutil.ignore_patterns(
        ".git", ".venv", "output", "build", "__pycache__", ".pytest_cache", ".ruff_cache", ".mypy_cache", ".hypothesis"
    )
    shutil.copytree(ROOT, project, ignore=ignored)
    git(folder, "init", "--quiet", "--initial-branch=main", str(project))
    git(project, "add", "-A")
    git(project, "commit", "--quiet", "-m", "first")
    git(project, "tag", "v1.0.0")
    source = folder / "fruit.csv"
    fruit().to_csv(source, index=False)
    config = folder / "fruit.yaml"
    config.write_text(yaml.safe_dump({**FRUIT, "download": {"source": str(source)}}, sort_keys=False))
    first = call(project, home, "run", config, "--json")
    assert first.code == 0, first.err
    all_tracked(home)  # or a copy of the home is one of a database in mid-write
    change_code(project)
    git(project, "commit", "--quiet", "-am", "second")
    both = shutil.copytree(home, folder / "both", symlinks=True)
    second = call(project, both, "run", config, "--json")
    all_tracked(both)
    known = {"project": project, "source": source, "config": config, "both": both}
    return SimpleNamespace(home=home, first=first.document, second=second.document, **known)


@pytest.fixture
def two(base, tmp_path):
    """A copy of its home to change; the clone is as it was at the end."""
    home = tmp_path / "home"
    shutil.copytree(base.home, home, symlinks=True)
    head, text = git(base.project, "rev-parse", "HEAD"), base.source.read_bytes()
    yield SimpleNamespace(**{**vars(base), "home": home})
    base.source.write_bytes(text)
    git(base.project, "checkout", "--quiet", "-f", "main")
    git(base.project, "reset", "--quiet", "--hard", head)


@pytest.fixture
def now(base, two):
    """A run of the present code, which is in that home too."""
    shutil.rmtree(two.home)
    shutil.copytree(base.both, two.home, symlinks=True)
    return base.second


def test_a_run_of_an_earlier_commit_is_made_again_to_the_last_digit(two, now):
    assert digests(now)["train.model"] != digests(two.first)["train.model"]  # the present code gives something else
    before = git(two.project, "status", "--porcelain"), git(two.project, "rev-parse", "HEAD")
    again = call(two.project, two.home, "reproduce", two.first["run_id"], "--json")
    assert again.code == 0, again.err + again.out
    assert again.document["equal"] and again.document["reasons"] == []
    assert {row["name"]: row["b"] for row in again.document["outputs"]} == digests(two.first)
    assert {row["name"] for row in again.document["metrics"]} >= {"test.accuracy", "validation.log_loss"}
    assert again.document["code"].endswith(two.first["code"]["commit"])
    assert before == (git(two.project, "status", "--porcelain"), git(two.project, "rev-parse", "HEAD"))
    assert git(two.project, "worktree", "list").count("\n") == 0
    assert not list(two.home.glob(".reproduce-*"))


def test_a_run_of_the_present_code_is_made_again_in_place_and_the_rerun_kept_on_demand(two, now, tmp_path):
    kept = tmp_path / "kept"
    again = call(two.project, two.home, "reproduce", "latest", "--json", "--keep", kept)
    assert again.code == 0 and again.document["code"] is None
    assert again.document["run_id"] == now["run_id"] != again.document["rerun"]
    (summary,) = kept.glob("*/runs/*/summary.json")
    assert not any(step["cached"] for step in json.loads(summary.read_text())["steps"])
    refused = call(two.project, two.home, "reproduce", "latest", "--keep", kept)
    assert refused.code == 2 and "not empty" in refused.err


def test_changes_that_no_commit_holds_are_named_as_the_reason(two):
    change_code(two.project, OTHER_SEED[1], OTHER_SEED[0] + " + 2")
    dirty = call(two.project, two.home, "run", two.config, "--json").document
    assert dirty["code"]["clean"] is False
    same = call(two.project, two.home, "reproduce", "latest", "--json")
    assert same.code == 0, same.err  # the tree still has these changes
    git(two.project, "checkout", "--quiet", "-f", "main")
    again = call(two.project, two.home, "reproduce", dirty["run_id"])
    assert again.code == 1
    model = next(line for line in again.out.splitlines() if line.split()[:1] == ["train.model"])
    table = next(line for line in again.out.splitlines() if line.split()[:1] == ["segregate.train"])
    assert model.endswith("differs") and table.endswith("equal")
    assert "changes that its commit does not hold" in again.out and "the code of train is not that" in again.out


@pytest.mark.parametrize("fate", ["changed", "gone"])
def test_a_source_that_is_no_longer_what_it_was_gives_way_to_what_download_made_of_it(two, fate):
    if fate == "gone":
        two.source.unlink()
    else:
        fruit(seed=3).to_csv(two.source, index=False)
    again = call(two.project, two.home, "reproduce", two.first["run_id"], "--json")
    assert again.code == 0, again.out + again.err
    (table,) = two.home.glob("kfp/*/download/table")
    table.write_bytes(table.read_bytes()[:-1] + b"x")
    refused = call(two.project, two.home, "reproduce", two.first["run_id"], "--json")
    assert refused.code == 2
    assert "the data of the run are gone" in refused.err and two.first["checksum"] in refused.err


def test_data_are_compared_with_the_reference_that_they_were_compared_with(two):
    fruit(rows=150, seed=1).to_csv(two.source, index=False)
    second = call(two.project, two.home, "run", two.config, "--json").document
    assert second["reference"]
    again = call(two.project, two.home, "reproduce", "latest", "--json")
    assert again.code == 0, again.out + again.err
    Path(second["reference"]).unlink()
    without = call(two.project, two.home, "reproduce", "latest", "--json")
    assert without.code == 1
    assert [row["name"] for row in without.document["outputs"] if not row["equal"]] == ["check_data.report"]
    assert without.document["reasons"] == ["the accepted table that the run compared its data with is no longer kept"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["check_data.rows.min=900"], "it failed"),
        (["--steps", "train", "train.n_estimators=3"], "an earlier run"),
    ],
    ids=["failed", "partial"],
)
def test_runs_that_are_not_whole_are_refused(two, arguments, words):
    call(two.project, two.home, "run", two.config, *arguments, "--json")
    newest = max(path.parent.name for path in two.home.glob("fruit/runs/*/summary.json"))
    refused = call(two.project, two.home, "reproduce", newest, "--json")
    assert refused.code == 2 and words in refused.err and refused.document["state"] == "refused"


def test_a_commit_that_this_checkout_lacks_is_refused(two):
    (path,) = two.home.glob("fruit/runs/*/summary.json")
    summary = json.loads(path.read_text())
    summary["code"]["commit"] = "1" * 40
    path.write_text(json.dumps(summary))
    refused = call(two.project, two.home, "reproduce", "latest", "--json")
    assert refused.code == 2 and "is not in this checkout" in refused.err and "git fetch" in refused.err


@pytest.mark.parametrize("where", ["tag", "url"])
def test_a_pinned_release_runs_while_the_working_tree_stays_as_it_is(two, where, tmp_path):
    at = "v1.0.0" if where == "tag" else f"file://{two.project}@v1.0.0"
    change_code(two.project, OTHER_SEED[1], "values[undefined] = section.seed")  # the tree itself cannot train
    before = git(two.project, "status", "--porcelain")
    pinned = call(two.project, two.home, "run", "--at", at, two.config, "train.n_estimators=4", "--json")
    assert pinned.code == 0, pinned.err
    assert pinned.document["code"]["at"] == at and pinned.document["code"]["clean"]
    assert pinned.document["code"]["commit"] == two.first["code"]["commit"]
    assert pinned.document["code"]["images"] == two.first["code"]["images"]
    assert {step["name"] for step in pinned.document["steps"] if not step["cached"]} == {"train", "evaluate", "promote"}
    assert (two.home / "fruit" / "latest").resolve().name == pinned.document["run_id"]
    assert git(two.project, "status", "--porcelain") == before
    again = call(two.project, two.home, "reproduce", pinned.document["run_id"], "--json")
    assert again.code == 0, again.err + again.out
    brought = call(
        two.project, two.home, "checkout", f"fruit:{at}" if where == "tag" else "latest", tmp_path / "brought"
    )
    assert brought.code == 0 and (tmp_path / "brought" / "model" / "MLmodel").is_file()


def test_a_pinned_release_reads_paths_from_the_folder_where_the_user_is(two):
    folder = two.config.parent
    pinned = call(
        two.project, two.home, "run", "--at", "v1.0.0", "fruit.yaml", "--source", "fruit.csv", "--json", cwd=folder
    )
    assert pinned.code == 0, pinned.err
    assert digests(pinned.document) == digests(two.first)


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("v9.9.9", "there is no such tag or commit in this checkout"),
        ("file:///no/such/repository@v1", "the repository cannot be fetched"),
        ("ssh://git@example.org/name", "there is no such tag or commit"),
        ("../../etc", "there is no such tag or commit"),
    ],
)
def test_a_release_that_does_not_exist_is_refused(two, at, words):
    refused = call(two.project, two.home, "run", "--at", at, two.config, "--json")
    assert refused.code == 2 and words in refused.err
    assert not list((two.home / "releases").glob(".*.part"))


def test_a_release_that_somebody_wrote_into_is_made_anew(two):
    folder = two.home / "releases" / two.first["code"]["commit"]
    call(two.project, two.home, "run", "--at", "v1.0.0", two.config, "--json")
    (folder / "components" / "train" / "models.py").write_text("raise SystemExit(3)\n")
    pinned = call(two.project, two.home, "run", "--at", "v1.0.0", two.config, "--force", "--json")
    assert pinned.code == 0 and digests(pinned.document) == digests(two.first)


def test_checkout_brings_the_data_and_the_model_of_a_release(two, tmp_path):
    destination = tmp_path / "brought"
    brought = call(two.project, two.home, "checkout", "v1.0.0", destination, "--json")
    assert brought.code == 0, brought.err
    for step, made in two.first["outputs"].items():
        for name, entry in made.items():
            if "rows" in entry:
                bytes_ = (destination / "data" / f"{step}_{name}.parquet").read_bytes()
                assert hashlib.sha256(bytes_).hexdigest() == entry["digest"]
    assert digest_of(destination / "model") == two.first["outputs"]["train"]["model"]["digest"]
    refused = call(two.project, two.home, "checkout", "v1.0.0", destination)
    assert refused.code == 2 and "something is there already" in refused.err


@pytest.mark.parametrize("file", ["kfp/*/segregate/test", "fruit/runs/*/model/model.pkl"], ids=["table", "model"])
def test_checkout_notices_a_flipped_byte_and_leaves_nothing(two, tmp_path, file):
    (path,) = two.home.glob(file)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.unlink()  # the run's folder and the cache share the file
    path.write_bytes(damaged)
    refused = call(two.project, two.home, "checkout", "latest", tmp_path / "brought")
    assert refused.code == 2 and "gone or damaged" in refused.err
    assert not (tmp_path / "brought").exists() and not list(tmp_path.glob(".brought*"))


def test_checkout_refuses_an_output_whose_name_is_a_path(tmp_path):
    folder = tmp_path / "home" / "fruit" / "runs" / "r1"
    folder.mkdir(parents=True)
    made = {f"{tmp_path}/evil": {"table": {"rows": 1, "path": "t", "digest": "0" * 64}}}
    with pytest.raises(Refusal, match="run r1, the name of an output: not the name of a file"):
        bring(Kept(folder, {"outputs": made}), tmp_path / "brought")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_an_environment_that_cannot_be_set_up_is_named_with_what_went_wrong(two):
    for name, text in (
        ("requirements/run.lock", "# other packages\n"),
        ("Makefile", "setup:\n\t@echo no index; exit 1\n"),
    ):
        with (two.project / name).open("w" if name == "Makefile" else "a") as file:
            file.write(text)
    git(two.project, "commit", "--quiet", "-am", "other packages")
    git(two.project, "tag", "--force", "other")
    git(two.project, "reset", "--quiet", "--hard", "HEAD~1")
    refused = call(two.project, two.home, "run", "--at", "other", two.config, "--json")
    git(two.project, "tag", "--delete", "other")
    assert refused.code == 2
    assert "its environment cannot be set up" in refused.err and "no index" in refused.err


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_an_interrupted_rerun_leaves_no_process_and_no_file(two, ending):
    command = [sys.executable, "-m", "tabpipe", "reproduce", two.first["run_id"]]
    environment = {**os.environ, "TABPIPE_HOME": str(two.home)}
    errors = two.home / "errors"
    with (
        errors.open("w") as file,
        subprocess.Popen(command, cwd=two.project, env=environment, stdout=file, stderr=file) as process,
    ):
        until = time.monotonic() + 60
        while "download" not in errors.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(ending)
        assert process.wait(timeout=60) == 130
    assert not list(two.home.glob(".reproduce-*"))
    listed = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert f"{two.home}/.reproduce-" not in listed
