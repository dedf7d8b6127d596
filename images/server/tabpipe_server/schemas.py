"""JSON schemas of answers, of the Open Inference Protocol, and of errors: those in `schemas.json`, filled in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tabpipe_server.request_schemas import Schema
    from tabpipe_server.settings import Settings

_FOLDER = Path(__file__).parent
CODES: dict[int, dict[str, str]] = {
    int(status): codes for status, codes in json.loads((_FOLDER / "error_codes.json").read_text("utf-8")).items()
}
"""Status to the codes that an error of this status has, and what they mean."""


def common_schemas(signature: Mapping[str, Any] | None, settings: Settings) -> dict[str, Schema]:
    """Return the schemas that are the same for all models but for a few limits and classes, by name.

    With a second model in place its answers are allowed for: it may have other classes.
    """
    found = json.loads((_FOLDER / "schemas.json").read_text("utf-8"))
    classes = signature and signature["classes"]
    answer = found["Answer"]["properties"]
    if signature is None or (classes and settings.fraction > 0):
        answer["predictions"]["items"] = {"type": "string" if classes else ["string", "number"]}
    elif classes:
        answer["predictions"]["items"], answer["classes"] = {"enum": classes}, {"const": classes}
    else:
        answer["predictions"]["items"] = {"type": "number"}
    found["Fault"]["properties"]["code"] = {"enum": [code for codes in CODES.values() for code in codes]}
    found["Tensor"] = _tensor()
    values = {name: found.pop(name) for name in ("Number", "Category", "Text", "Date", "Params")}
    if signature is None:
        return found
    for name in ("Category", "Text"):
        values[name]["anyOf"][0]["maxLength"] = settings.max_cell
    for name, there in (("probabilities", classes), ("intervals", signature["intervals"])):
        values["Params"]["properties"][name]["enum"] = [False, True] if there else [False]
    return found | values


def _tensor() -> Schema:
    count = {"type": "integer", "minimum": 0}
    shape = {"type": "array", "items": count, "minItems": 1, "maxItems": 2}
    ranges = {f"INT{n}": (-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n in (8, 16, 32, 64)}
    ranges |= {f"UINT{n}": (0, 2**n - 1) for n in (8, 16, 32, 64)}
    kinds: list[tuple[list[str], Schema]] = [
        (["FP16", "FP32", "FP64"], {"type": ["number", "null"]}),
        (["BYTES"], {"type": ["string", "null"]}),
        (["BOOL"], {"type": ["boolean", "null"]}),
        *(
            ([name], {"type": ["integer", "null"], "minimum": low, "maximum": high})
            for name, (low, high) in ranges.items()
        ),
    ]
    made = [
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "shape": shape,
                "datatype": {"enum": names},
                "data": {
                    "anyOf": [
                        {"type": "array", "items": value},
                        {"type": "array", "items": {"type": "array", "items": value}},
                    ]
                },
            },
            "required": ["name", "shape", "datatype", "data"],
        }
        for names, value in kinds
    ]
    return {
        "anyOf": made,
        "description": "A column with shape [rows] or [rows, 1]; null stands for a missing value. A model with "
        "nothing but numerical columns also takes one tensor [rows, columns], in the order of the signature.",
    }
