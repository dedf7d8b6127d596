"""The layer rules: who may know whom."""

import ast
from pathlib import Path

from importlinter.cli import lint_imports

ROOT = Path(__file__).resolve().parent.parent


def test_import_contracts_are_kept(capsys):
    exit_code = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert exit_code == 0, capsys.readouterr().out


def test_pipeline_imports_kfp_and_the_interfaces_of_steps_only():
    imported = set()
    for node in ast.walk(ast.parse((ROOT / "pipeline.py").read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module)
    steps = {path.parent.name for path in ROOT.glob("components/*/component.py")}
    assert imported <= {"kfp"} | {f"components.{step}.component" for step in steps}


def test_steps_import_no_step_but_their_own():
    for path in ROOT.glob("components/*/component.py"):
        step = path.parent.name
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("components."):
                assert node.module.split(".")[1] in ("common", step), f"{path} imports {node.module}"
