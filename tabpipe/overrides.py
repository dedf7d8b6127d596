"""Overrides on a command line, refused where they are none."""

from __future__ import annotations

from collections.abc import Iterable

from components.common.base.errors import Refusal


def refuse_no_overrides(given: Iterable[str]) -> None:
    """Looks at the form of overrides, before anything reads them.

    Args:
        given: `dotted.name=value` each.

    Raises:
        Refusal: One is none, or would be passed over in silence.
    """
    for override in given:
        if "=" not in override or override.startswith(("=", "-")):
            raise Refusal(
                "not an override",
                where="command line",
                value=override,
                rule="dotted.name=value",
                mend="for instance train.n_estimators=200",
            )
        _refuse_glued(override)


def _refuse_glued(override: str) -> None:
    """Refuses `name={A:b}`, which in YAML is the key `A:b` without a value."""
    import yaml

    name, _, text = override.partition("=")
    if not text.lstrip().startswith("{"):
        return
    try:
        mapping = yaml.safe_load(text)
    except yaml.YAMLError:  # is told with all else that cannot be read
        return
    glued = [str(key) for key, value in mapping.items() if value is None and ":" in str(key)]
    if glued:
        key, _, value = glued[0].partition(":")
        raise Refusal(
            "a colon without a space after it",
            where=name,
            value=text,
            rule="{key: value}, as YAML has it",
            mend=f"{name}={{{key}: {value}}}, in quotes on a command line",
        )
