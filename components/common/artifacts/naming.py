"""Names of steps' outputs among the artifacts."""

from __future__ import annotations

_CALLED = {("download", "table"): "raw"}
"""Outputs of steps that are known by another name among the artifacts."""
_OF_STEP = ("report", "picture")
"""Outputs that several steps have, and that are named after their step."""


def artifact_name(use_case: str, step: str, output: str) -> str:
    """The name of a step's output among the artifacts, for instance `iris.clean` or `iris.train_report`."""
    return f"{use_case}.{f'{step}_{output}' if output in _OF_STEP else _CALLED.get((step, output), output)}"
