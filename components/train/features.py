"""Which columns of a table become features, as a config declares them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from components.common.base.errors import Refusal, nearest
from components.common.config.base import Kind
from components.common.config.patterns import chosen, expand
from components.common.config.train import OF_KIND, ColumnFeatures, TrainArgument


@dataclass(frozen=True)
class Plan:
    """Which columns the model is asked with, and which become features."""

    raw: dict[str, Kind]
    """Raw column to kind."""
    derive: dict[str, dict[str, Any]]
    """Derived column to its way."""
    features: dict[str, Kind]
    """Column (raw or derived) that becomes features to its kind."""
    settings: dict[str, dict[str, Any]]
    """Each of them to its settings."""


def plan(section: TrainArgument) -> Plan:
    """Works out what a section asks for.

    Raises:
        Refusal: A column that is not there, cannot be a feature, or has settings that its kind does not take.
    """
    kinds: dict[str, Kind] = {**section.columns, **{name: rule.kind for name, rule in section.derive.items()}}
    features = {name: kinds[name] for name in _used(section, kinds)}
    own = expand(section.features.columns, features, "train.features.columns")
    for name in own:
        if name not in features:
            raise Refusal(
                "settings for a column that is no feature",
                where=f"train.features.columns.{name}",
                mend=nearest(name, features),
            )
    raw = {name: kind for name, kind in features.items() if name not in section.derive}
    derive: dict[str, dict[str, Any]] = {}
    for name in features:
        _trace(name, section, raw, derive)
    return Plan(
        raw={name: raw[name] for name in section.columns if name in raw},
        derive={name: derive[name] for name in section.derive if name in derive},
        features=features,
        settings={name: _settings(section, own.get(name), name, kind) for name, kind in features.items()},
    )


def _used(section: TrainArgument, kinds: dict[str, Kind]) -> list[str]:
    joined = {source for rule in section.derive.values() for source in rule.join or ()}
    if section.features.use is None:
        found = [
            name
            for name, kind in kinds.items()
            if kind != "identifier" and name != section.target and not (kind == "text" and name in joined)
        ]
        if not found:
            raise Refusal(
                "no column is left to learn from",
                where="train.features",
                rule="at least one column that is neither target nor identifier",
            )
        return found
    where = "train.features.use"
    free = [name for name, kind in kinds.items() if name != section.target and kind != "identifier"]
    used = chosen(section.features.use, free, where)
    for name in used:
        if name not in kinds:
            raise Refusal("no such column", where=where, value=name, mend=nearest(name, kinds))
        if name == section.target:
            raise Refusal("the target cannot be a feature", where=where, value=name)
        if kinds[name] == "identifier":
            raise Refusal(
                "an identifier cannot be a feature",
                where=where,
                value=name,
                mend="declare it categorical, numerical, text or date under columns",
            )
    if not used:
        raise Refusal("no column is left to learn from", where=where, rule="at least one column")
    return used


def _trace(name: str, section: TrainArgument, raw: dict[str, Kind], derive: dict[str, dict[str, Any]]) -> None:
    """Adds what a derived column is made of, down to raw columns."""
    if name in section.derive and name not in derive:
        rule = section.derive[name]
        derive[name] = rule.model_dump(exclude_none=True)
        for source in rule.sources:
            if source not in section.derive:
                if source not in section.columns:
                    raise Refusal(
                        f"is made of a column {source!r} that is not declared",
                        where=f"derive.{name}",
                        mend=nearest(source, section.columns),
                    )
                kind = section.columns[source]
                unasked: Kind = "categorical" if rule.join else "numerical"
                raw.setdefault(source, unasked if kind == "identifier" else kind)
            _trace(source, section, raw, derive)


def _settings(section: TrainArgument, own: ColumnFeatures | None, name: str, kind: Kind) -> dict[str, Any]:
    """The settings of a column: those of its kind, with its own in their place."""
    given = own.model_dump(exclude_none=True) if own else {}
    for key, value in given.items():
        where = f"train.features.columns.{name}.{key}"
        known = OF_KIND[kind].model_fields
        if key not in known:
            raise Refusal(f"{name} is {kind}, which has no such setting", where=where, mend=nearest(key, known))
        if key == "impute" and value not in (ways := get_args(known[key].annotation)):
            raise Refusal(f"not a way for a {kind} column", where=where, value=value, rule="one of " + ", ".join(ways))
    if kind == "date" and section.features.date.scale == "auto":
        given = {"scale": section.features.numerical.scale} | given
    return getattr(section.features, kind).model_dump() | given
