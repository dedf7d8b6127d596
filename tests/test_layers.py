"""The layer rules: who may know whom. Steps are those that have a folder, so a new one is covered at once."""

import ast
from pathlib import Path

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent
STEPS = sorted(path.parent.name for path in ROOT.glob("components/*/component.py"))


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("components", "tabpipe", "tabpipe_server", cache_dir=None)


def test_import_contracts_are_kept(capsys):
    exit_code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert exit_code == 0, capsys.readouterr().out


def test_steps_know_no_other_step_and_what_they_share_knows_none(graph):
    layers = [grimp.Layer(*STEPS, independent=True), "common"]
    assert not graph.find_illegal_dependencies_for_layers(layers, containers={"components"})


@pytest.mark.parametrize("other", ["tabpipe", "tabpipe_server"])
def test_no_other_package_knows_the_logic_of_a_step(graph, other):
    imported = set()
    for importer in graph.find_descendants(other):
        imported |= graph.find_modules_directly_imported_by(importer)
    assert not [name for name in imported for step in STEPS if name.startswith(f"components.{step}.")]


def test_no_modules_import_each_other_in_a_circle_not_even_lazily(graph):
    modules = {name for name in graph.modules if ".tests" not in name}
    imports = {name: graph.find_modules_directly_imported_by(name) & modules for name in modules}
    while leaves := {name for name, found in imports.items() if not found}:
        # What imports nothing is in no circle, and neither is what imports only such.
        imports = {name: found - leaves for name, found in imports.items() if name not in leaves}
    assert not imports


def test_pipeline_imports_kfp_and_the_interfaces_of_steps_only():
    imported = set()
    for node in ast.walk(ast.parse((ROOT / "pipeline.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    assert imported <= {"kfp"} | {f"components.{step}.component" for step in STEPS}


@pytest.mark.parametrize("step", STEPS)
def test_each_step_has_tests_of_its_own(step):
    assert list((ROOT / "components" / step / "tests").glob("test_*.py"))
