"""What a step's image holds: the files that the step can import, so that a change reruns the steps that can see it."""

import ast
import os
import shutil
import subprocess
import sys

import pytest

from tabpipe.compile.images import BASE, MLFLOW, SERVER, files_of, image_of
from tabpipe.compile.imports import reached
from tabpipe.steps import steps
from tests.conftest import ROOT

IMAGES = [*steps(), BASE, SERVER, MLFLOW]
REPORTS = {"check_data", "train", "evaluate", "promote", "tsne", "predict"}
DYNAMIC = {"import_module", "__import__", "run_module", "run_path", "spec_from_file_location"}


def copied(folder):
    """A copy of what images are built from, and of what runs a pipeline."""
    left_out = shutil.ignore_patterns("tests", "__pycache__")
    for name in ("components", "images", "tabpipe", "config", "requirements"):
        shutil.copytree(ROOT / name, folder / name, ignore=left_out)
    shutil.copy(ROOT / "pipeline.py", folder)
    return folder


def commented(path):
    with path.open("a") as file:
        file.write("# a comment\n")


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("components/common/reports/style.py", {*REPORTS, SERVER}),
        ("components/common/reports/style.page.css", {*REPORTS, SERVER}),
        ("components/common/metrics/bootstrap.py", {"promote"}),
        ("components/common/config/serve.py", set()),
        ("components/common/config/tsne.py", {"tsne"}),
        ("components/common/base/errors.py", {*steps(), SERVER}),
        ("components/train/train.py", {"train"}),
        ("components/train/requirements.lock", {"train"}),
        ("components/train/step.toml", set()),
        ("components/train/README.md", set()),
        ("images/step/Dockerfile", set(steps())),
        ("images/server/tabpipe_server/app.py", {SERVER}),
        ("images/mlflow/serve.py", {MLFLOW}),
        ("images/base/heavy.lock", set(IMAGES)),
    ],
)
def test_a_change_makes_other_images_of_what_can_see_it(tmp_path, path, changed):
    copy = copied(tmp_path)
    commented(copy / path)
    assert {name for name in IMAGES if image_of(name, copy) != image_of(name)} == changed


def test_a_comment_in_what_reports_look_like_reruns_no_step_without_one(tabpipe, finished, tmp_path):
    copy = copied(tmp_path / "project")
    first = finished(tmp_path / "home")
    commented(copy / "components" / "common" / "reports" / "style.py")
    again = tabpipe("iris", root=copy)
    assert again.code == 0, again.err
    assert first.ran - again.ran == {"download", "preprocess", "segregate"}


@pytest.mark.parametrize("step", ["resolve", "train", "predict"])
def test_all_modules_of_an_image_can_be_imported_from_its_files_alone(tmp_path, step):
    files = [path.relative_to(ROOT) for path in files_of(step)]
    for path in files:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    modules = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in files if path.suffix == ".py"]
    code = f"import importlib\nfor name in {modules}: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(tmp_path)}, cwd=tmp_path, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()


def test_what_a_step_reads_by_its_path_is_in_its_image():
    assert ROOT / "components" / "train" / "transformers.py" in files_of("train")
    for step in steps().values():
        assert {ROOT / name for name in step.files} <= set(files_of(step.name))


def test_no_code_of_a_step_imports_by_a_name_that_only_running_it_tells():
    allowed = {"components/train/models.py"}  # an estimator of scikit-learn or of another package, by the config's name
    found = set()
    for path in (ROOT / "components").rglob("*.py"):
        if "tests" not in path.parts:
            nodes = list(ast.walk(ast.parse(path.read_text())))
            names = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
            names |= {node.id for node in nodes if isinstance(node, ast.Name)}
            names |= {node.name for node in nodes if isinstance(node, ast.alias)}
            found |= {str(path.relative_to(ROOT))} if names & DYNAMIC else set()
    assert found == allowed


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import components.a.b", {"a/__init__", "a/b"}),
        ("from components.a import b", {"a/__init__", "a/b"}),
        ("from components.a import b as c, name", {"a/__init__", "a/b"}),
        ("from components.a.b import (\n    name,\n)", {"a/__init__", "a/b"}),
        (
            "def f():\n    try:\n        from components.a import b\n    except ImportError:\n        pass",
            {"a/__init__", "a/b"},
        ),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import components.a.b", set()),
        ("if TYPE_CHECKING:\n    import components.a.b\nelse:\n    import components.c", {"c"}),
        ("import components.d", {"d", "c"}),
        ("import numpy, components_of_others\n'''import components.c'''", set()),
    ],
    ids=["module", "from", "several", "name", "lazy", "types", "else", "further", "none"],
)
def test_imports_are_followed(tmp_path, code, expected):
    package = tmp_path / "components"
    files = {"__init__": "", "a/__init__": "", "a/b": "name = 1", "c": "", "d": "import components.c", "start": code}
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(text)
    found = {str(path.relative_to(package).with_suffix("")) for path in reached([package / "start.py"], tmp_path)}
    assert found - {"__init__", "start"} == expected


def test_an_import_that_names_no_whole_module_is_refused(tmp_path):
    (tmp_path / "start.py").write_text("from . import other")
    with pytest.raises(SyntaxError, match="whole module"):
        reached([tmp_path / "start.py"], tmp_path)
