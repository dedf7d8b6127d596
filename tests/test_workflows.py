"""The workflows call what the Makefile has, may do no more than they need, and end."""

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

WORKFLOWS = {path.name: path for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}

MAY_WRITE = {
    ("release.yml", "build"): {"packages", "id-token", "attestations"},
    ("release.yml", "publish"): {"contents"},
}
"""All that any job may write."""


def load(name):
    return yaml.safe_load(WORKFLOWS[name].read_text())


def jobs():
    return [pytest.param(name, job, id=f"{name}:{job}") for name in WORKFLOWS for job in load(name)["jobs"]]


def scripts(name):
    """The lines of shell in a workflow."""
    steps = [step for job in load(name)["jobs"].values() for step in job.get("steps", [])]
    return [line.strip() for step in steps for line in step.get("run", "").splitlines()]


def make_commands():
    commands = [(name, line) for name in WORKFLOWS for line in scripts(name) if line.startswith("make ")]
    return [pytest.param(line, id=f"{name}: {line}") for name, line in dict.fromkeys(commands)]


def test_there_are_tests_on_each_push_a_release_on_a_tag_and_a_cluster_on_demand():
    on = {name: load(name)[True] for name in WORKFLOWS}  # YAML 1.1 reads the key `on` as true
    assert on["tests.yml"]["push"] == {"branches": ["**"]} and "pull_request" in on["tests.yml"]
    assert on["release.yml"] == {"push": {"tags": ["v*"]}}
    assert "workflow_dispatch" in on["kind.yml"]
    for pattern in on["kind.yml"]["pull_request"]["paths"]:
        assert list(ROOT.glob(pattern)), f"nothing is at {pattern}"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_reads_the_code_and_nothing_else(name):
    workflow = load(name)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]["group"]


@pytest.mark.parametrize(("name", "job"), jobs())
def test_a_job_ends_and_writes_only_what_it_must(name, job):
    body = load(name)["jobs"][job]
    assert "uses" in body or body["timeout-minutes"] <= 90
    written = {scope for scope, access in body.get("permissions", {}).items() if access != "read"}
    assert written == MAY_WRITE.get((name, job), set())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_commit_and_named_by_version(name):
    used = re.findall(r"uses: (\S+)(.*)", WORKFLOWS[name].read_text())
    assert used
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", action), action
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment), action


def test_an_action_has_one_version_in_all_workflows():
    pins = {}
    for path in WORKFLOWS.values():
        for action, commit in re.findall(r"uses: (\S+)@([0-9a-f]{40})", path.read_text()):
            assert pins.setdefault(action, commit) == commit, action


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_token_stays_in_the_checkout_and_no_script_is_pasted_together(name):
    for job in load(name)["jobs"].values():
        for step in job.get("steps", []):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
            assert "${{" not in step.get("run", ""), "values reach a script by its environment"


def test_releases_are_built_without_a_cache():
    steps = [step for job in load("release.yml")["jobs"].values() for step in job.get("steps", [])]
    assert not [step for step in steps if "cache" in step.get("uses", "") or "cache" in step.get("with", {})]


@pytest.mark.parametrize("command", make_commands())
def test_a_make_command_exists_and_gets_what_it_is_given(command):
    words = shlex.split(command.replace("$REGISTRY", "ghcr.io/someone"))
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    dry = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert dry.returncode == 0, dry.stderr
    for word in words[1:]:
        name, equals, value = word.partition("=")
        if equals and name not in ("PYTHON", "PUSH"):
            assert value in dry.stdout, f"{word} does not reach the command"
    assert ("PUSH=1" in words) == ("--push" in dry.stdout)


def test_a_release_has_every_use_case():
    listed = subprocess.run(["git", "ls-files", "config/*.yaml"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    use_cases = [Path(name).stem for name in listed.stdout.split()]
    compiled = re.findall(r"make compile CONFIG=(\w+) .*--out build/(\w+)\.yaml", "\n".join(scripts("release.yml")))
    assert sorted(compiled) == sorted(zip(use_cases, use_cases, strict=True))


def test_all_supported_pythons_are_tested():
    low, high = re.fullmatch(
        r">=3\.(\d+),<3\.(\d+)", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    ).groups()
    matrix = load("tests.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert matrix == [f"3.{minor}" for minor in range(int(low), int(high))]


def test_actionlint_finds_nothing():
    if not shutil.which("actionlint"):
        pytest.skip("actionlint is not on this machine: go install github.com/rhysd/actionlint/cmd/actionlint@latest")
    done = subprocess.run(["actionlint", *map(str, WORKFLOWS.values())], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
