"""The documents hold: their commands run, their configs are accepted, their links lead somewhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tabpipe.config import load
from tests import forked
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NOT_HERE = {"make run", "make test"}
"""Commands that other tests run: the whole main job, and the tests themselves."""


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.S | re.M)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the project to run commands in, with this environment."""
    environment = Path(sys.executable).parent.parent
    if not (environment / ".run").is_file():
        pytest.skip("the commands want the environment that make sets up")
    copy = tmp_path_factory.mktemp("docs") / "project"
    ignored = shutil.ignore_patterns(".git", ".venv", "output", "__pycache__", ".pytest_cache", ".hypothesis")
    shutil.copytree(ROOT, copy, ignore=ignored)
    for folder, beside in ((environment, copy / ".venv"), (environment / "bin", copy / ".venv" / "bin")):
        beside.mkdir()
        for path in folder.iterdir():
            if path.name != "bin":
                (beside / path.name).symlink_to(path)
    for lock in (copy / "requirements").glob("*.lock"):
        os.utime(lock, (0, 0))  # or `make` clears this very environment, should a lock be newer than it
    return copy


@pytest.fixture
def python(checkout, page):
    """The environment's Python, started anew by each command of one page, forked for those of the others."""
    path = checkout / ".venv" / "bin" / "python"
    path.unlink()
    if page.stem == "own-table" or sys.platform != "linux":
        path.symlink_to(sys.executable)
    else:
        forked.stand_in(path)


@pytest.mark.run
@pytest.mark.timeout(900)  # a page may have twenty commands
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("python")
def test_documented_commands_run(checkout, page):
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "ARGS")}
    environment["TABPIPE_HOME"] = str(checkout / "output")
    for command in (line for block in blocks(page, "sh") for line in block.splitlines()):
        if command not in NOT_HERE:
            done = subprocess.run(command, shell=True, cwd=checkout, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    for code in blocks(page, "python"):
        done = subprocess.run([sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True)
        if "fruit/latest" in code and not (checkout / "output" / "fruit" / "latest").exists():
            pytest.fail("the page uses a model that none of its commands makes")
        assert done.returncode == 0, f"{code}\n{done.stderr}"


def test_documented_configs_are_accepted(tmp_path):
    parts = [yaml.safe_load(block) for block in blocks(ROOT / "docs" / "own-table.md", "yaml")]
    first = parts[0]
    for number, part in enumerate(parts):
        path = tmp_path / f"case{number}.yaml"
        path.write_text(yaml.safe_dump({**first, **part}, sort_keys=False))
        assert load(str(path)).target == "label"


@pytest.mark.parametrize(
    "page",
    [*PAGES, *sorted(ROOT.glob("docs/decisions/*.md")), *sorted(ROOT.glob("components/*/README.md"))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_no_table_or_model_is_part_of_the_project():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    data = {".parquet", ".arrow", ".joblib", ".pkl", ".db", ".gz", ".csv", ".jsonl"}
    made_up = ("components/common/tests/cases/", "components/download/samples/")
    found = [name for name in listed.stdout.split() if Path(name).suffix in data and not name.startswith(made_up)]
    assert found == ["docs/examples/fruit.csv"]
