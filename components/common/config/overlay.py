"""A step's settings: the section that a run gives, over the one that the pipeline was compiled with."""

from __future__ import annotations

import json
from typing import Any

from components.common.base.errors import Refusal


def settings_of(section: str | dict[str, Any], defaults: str = "{}") -> dict[str, Any]:
    """Reads a section, whole or in part.

    A run in the Kubeflow UI, or one by `kfp run create`, may give `{"n_estimators": 200}` alone: the rest is as
    compiled. There, sections are kfp's mappings, which lose the order of keys and turn 200 into 200.0: a value that
    equals the compiled one is taken as that has it.

    Args:
        section: A JSON object, as text or read.
        defaults: The whole section that it changes, a JSON object.

    Raises:
        Refusal: The section is not a JSON object.
    """
    try:
        given = json.loads(section) if isinstance(section, str) else section
    except json.JSONDecodeError as error:
        raise _refusal(str(section), str(error)) from None
    if not isinstance(given, dict):
        raise _refusal(str(section), f"this is a {type(given).__name__}")
    return _merged(json.loads(defaults), given)


def _refusal(section: str, fault: str) -> Refusal:
    return Refusal(
        f"the section cannot be read: {fault}",
        value=section,
        rule="a JSON object, the whole section or what differs from the compiled one",
        mend='for instance {"n_estimators": 200}',
    )


def _merged(whole: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """`whole` with the keys of `given` in their places; mappings are merged, all else is replaced."""
    merged = dict(whole)
    for key, value in given.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merged(merged[key], value)
        elif key not in merged or value != merged[key] or isinstance(value, bool) != isinstance(merged[key], bool):
            merged[key] = value
    return merged
