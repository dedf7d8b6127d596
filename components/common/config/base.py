"""What all sections share: strict fields, and errors that name the field, the value and the rule."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from components.common.base.errors import Refusal, nearest

Kind = Literal["numerical", "categorical", "text", "date", "identifier"]
Task = Literal["classification", "regression"]
Severity = Literal["error", "warning"]


class Section(BaseModel):
    """A part of the config. Unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, defer_build=True)


def as_argument(section: BaseModel) -> str:
    """A section as a pipeline argument: JSON text.

    kfp's own mappings lose the order of their keys, which is that of a table's columns, make every number a float, and
    know no null.
    """
    return json.dumps(section.model_dump(mode="json"), ensure_ascii=False)


SectionType = TypeVar("SectionType", bound=BaseModel)


def accept(model: type[SectionType], value: Any, where: str) -> SectionType:
    """Turns a plain value into a typed section.

    Args:
        model: The section's type.
        value: What the YAML, an override or a pipeline argument holds.
        where: What to call it in an error, for instance `config/iris.yaml` or `section train`.

    Raises:
        Refusal: The first thing that is wrong with it, with the nearest known key where one is misspelt.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise refusal_of(error, model, where) from None
    except Refusal as refusal:
        where = f"{where}, {refusal.where}" if refusal.where else where
        raise Refusal(refusal.problem, where=where, value=refusal.value, rule=refusal.rule, mend=refusal.mend) from None


def refusal_of(error: ValidationError, model: type[BaseModel], where: str) -> Refusal:
    """Words the first fault that pydantic found."""
    faults = error.errors(include_url=False)
    fault = faults[0]
    path = [str(part) for part in fault["loc"]]
    field = ".".join(path) or "the whole"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if fault["type"] == "extra_forbidden":
        return Refusal(
            f"unknown key {field!r}{more}",
            where=where,
            rule="only known keys are accepted, so that a typo is noticed",
            mend=nearest(path[-1], _known_keys(model, path[:-1])),
        )
    if fault["type"] == "missing":
        return Refusal(f"{field!r} is missing{more}", where=where, mend=f"add {field}: … to it")
    cause = fault.get("ctx", {}).get("error")
    message = str(cause) if cause is not None else fault["msg"]
    return Refusal(f"{field!r} is not accepted{more}", where=where, value=fault["input"], rule=message)


def _known_keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """The keys that a section accepts at a path of field names; path parts that are no field are passed over."""
    schema: dict[str, Any] = model.model_json_schema()
    definitions = schema.get("$defs", {})

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        while True:
            if "$ref" in node:
                node = definitions[node["$ref"].rsplit("/", 1)[-1]]
            elif options := [option for option in node.get("anyOf", []) if option.get("type") != "null"]:
                node = next((option for option in options if "$ref" in option or "properties" in option), options[0])
                if "$ref" not in node and "anyOf" not in node:
                    return node
            else:
                return node

    node = resolve(schema)
    for part in path:
        inner = node.get("properties", {}).get(part)
        if inner is None:
            inner = node.get("additionalProperties")
        if not isinstance(inner, dict):
            break
        node = resolve(inner)
    return list(node.get("properties", {}))
