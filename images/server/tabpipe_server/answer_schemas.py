"""JSON schemas of answers, of the Open Inference Protocol, and of errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tabpipe_server.request_schemas import Schema, ref

if TYPE_CHECKING:
    from tabpipe_server.settings import Settings

CODES: dict[int, dict[str, str]] = {
    400: {
        "NOT_JSON": "The body is not JSON, or holds a number that JSON has not (NaN, Infinity, 1e400).",
        "NOT_CSV": "The body is not a CSV in UTF-8 with a header line.",
        "NOT_HTTP": "The bytes are no HTTP request.",
        "BAD_ENCODING": "The body is said to be packed by gzip, and is not.",
        "BAD_SHAPE": "The JSON has not the shape of the protocol.",
        "BAD_PARAMS": "A param is unknown or has a wrong value.",
        "BAD_DATATYPE": "A tensor's datatype is unknown.",
        "NO_BINARY_TENSORS": "Tensors are sent as JSON.",
        "NO_PROBABILITIES": "Probabilities are asked of a model that has none.",
        "UNKNOWN_OUTPUT": "The model has no such output.",
        "EMPTY": "There are no rows.",
        "RAGGED_ROWS": "A row has more or fewer values than there are columns.",
        "MISSING_COLUMN": "A column that the model needs is absent.",
        "UNKNOWN_COLUMN": "The model does not know a column.",
        "DUPLICATE_COLUMN": "A column is there twice.",
        "BAD_COLUMN": "The columns do not fit the model.",
        "BAD_VALUE": "A value is not of its column's kind, or the model cannot answer it.",
        "CELL_TOO_LONG": "A text is over the limit.",
    },
    401: {"UNAUTHENTICATED": "The API key is absent or wrong."},
    404: {
        "NOT_FOUND": "There is no such path.",
        "NO_SUCH_MODEL": "No model of this name is served.",
        "NO_SUCH_VERSION": "No model of this version is in place.",
    },
    405: {"METHOD_NOT_ALLOWED": "The path has no such method; the header Allow names those it has."},
    408: {"TIMEOUT_READING": "The request did not arrive in time."},
    413: {
        "BODY_TOO_LARGE": "The body is over the limit.",
        "TOO_MANY_ROWS": "There are more rows than the limit.",
        "TOO_MANY_VALUES": "Its values would take too much memory.",
    },
    415: {
        "UNSUPPORTED_MEDIA_TYPE": "The content type is not one that is read.",
        "UNSUPPORTED_ENCODING": "The content encoding is not gzip or none.",
    },
    431: {"HEADER_TOO_LARGE": "The request's line and headers are too large."},
    500: {"INTERNAL": "The server failed; its log has the trace under the request id."},
    503: {
        "TIMEOUT": "The answer took too long.",
        "BUSY": "Too many requests at once; the header Retry-After says when to try again.",
        "NOT_READY": "No model is in place yet.",
    },
}
"""Status to the codes that an error of this status has, and what they mean."""


def answer_schemas(signature: Mapping[str, Any] | None, settings: Settings) -> dict[str, Schema]:
    """The schemas of answers and errors, by name.

    With a second model in place its answers are allowed for: it may have other classes.
    """
    classes = signature and signature["classes"]
    if signature is None or (classes and settings.fraction > 0):
        predictions: Schema = {"type": "string" if classes else ["string", "number"]}
        classes = None
    else:
        predictions = {"enum": classes} if classes else {"type": "number"}
    text = {"type": "string"}
    shares = {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}}
    answer = {
        "predictions": {"type": "array", "items": predictions, "minItems": 1, "description": "One per row, in order."},
        "probabilities": {
            "type": "array",
            "items": shares,
            "description": "Per row one per class, in the order of `classes`. With params.probabilities.",
        },
        "classes": {"const": classes} if classes else {"type": "array", "items": text},
        "model_name": text,
        "model_version": text,
        "request_id": text,
    }
    return {
        "Answer": _object(answer, ["predictions", "model_name", "model_version", "request_id"]),
        "Fault": _fault(),
        "Error": _object(
            {"error": ref("Fault"), "error_code": text, "message": text, "request_id": text},
            ["error", "error_code", "message", "request_id"],
        ),
        "InferError": _object(
            {"error": text, "fault": ref("Fault"), "error_code": text, "message": text, "request_id": text},
            ["error", "fault", "error_code", "message", "request_id"],
        ),
        "Signature": _signature(),
        **_tensors(),
        **_protocol(),
    }


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _fault() -> Schema:
    text, count = {"type": "string"}, {"type": "integer", "minimum": 0}
    return _object(
        {
            "code": {"enum": [code for codes in CODES.values() for code in codes]},
            "message": text | {"description": "What is wrong, in one sentence."},
            "where": text | {"description": "The row, column or field that it is wrong in."},
            "value": {"type": ["string", "number", "boolean"], "description": "The offending value, shortened."},
            "rule": text | {"description": "The rule that it breaks."},
            "mend": text | {"description": "What can be done about it."},
            "row": count | {"description": "The row, counted from 0."},
            "column": text,
            "faults": count | {"description": "How many rows or columns have a fault."},
        },
        ["code", "message"],
    )


def _signature() -> Schema:
    text, names = {"type": "string"}, {"type": "array", "items": {"type": "string"}}
    column = {
        "name": text,
        "kind": {"enum": ["numerical", "categorical", "text", "date"]},
        "required": {"type": "boolean", "description": "Whether every row needs it."},
        "nullable": {"type": "boolean", "description": "Whether null, a missing value, is answered."},
        "choices": {"anyOf": [names, {"type": "null"}], "description": "The values that training knew."},
        "example": {},
    }
    return _object(
        {
            **dict.fromkeys(("name", "version", "role", "target"), text),
            "task": {"enum": ["classification", "regression"]},
            "classes": {"anyOf": [names, {"type": "null"}]},
            "columns": {"type": "array", "items": _object(column, list(column))},
            "ignored": names | {"description": "Columns that may be sent, and are made anew."},
            "examples": {"type": "array", "items": {"type": "object"}},
        },
        ["name", "version", "role", "task", "target", "classes", "columns", "ignored", "examples"],
    )


def _tensors() -> dict[str, Schema]:
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
    output = {"name": {"enum": ["predict", "probabilities"]}, "shape": shape, "datatype": {"enum": ["BYTES", "FP64"]}}
    output["data"] = {"type": "array", "items": {"type": ["string", "number"]}}
    return {
        "Tensor": {
            "anyOf": made,
            "description": "A column with shape [rows] or [rows, 1]; null stands for a missing value. A model with "
            "nothing but numerical columns also takes one tensor [rows, columns], in the order of the signature.",
        },
        "OutputTensor": _object(output, ["name", "shape", "datatype", "data"]),
    }


def _protocol() -> dict[str, Schema]:
    text = {"type": "string"}
    described = _object(
        {"name": text, "datatype": text, "shape": {"type": "array", "items": {"type": "integer"}}},
        ["name", "datatype", "shape"],
    )
    outputs = {"type": "object", "properties": {"name": {"enum": ["predict", "probabilities"]}}, "required": ["name"]}
    parameters = {
        "type": "object",
        "description": "As params of /invocations; others are passed over.",
        "properties": {
            "probabilities": {"type": "boolean"},
            "extra_columns": {"enum": ["refuse", "ignore"]},
            "key": {"type": "string", "minLength": 1, "maxLength": 256},
        },
    }
    return {
        "InferRequest": {
            "type": "object",
            "properties": {
                "inputs": {"type": "array", "items": ref("Tensor"), "minItems": 1},
                "id": {"type": ["string", "null"]},
                "outputs": {"anyOf": [{"type": "array", "items": outputs}, {"type": "null"}]},
                "parameters": {"anyOf": [parameters, {"type": "null"}]},
            },
            "required": ["inputs"],
        },
        "InferAnswer": _object(
            {
                "model_name": text,
                "model_version": text,
                "id": text,
                "parameters": {"type": "object"},
                "outputs": {"type": "array", "items": ref("OutputTensor"), "minItems": 1},
            },
            ["model_name", "model_version", "id", "outputs"],
        ),
        "ModelMetadata": _object(
            {
                "name": text,
                "versions": {"type": "array", "items": text},
                "platform": text,
                "inputs": {"type": "array", "items": described},
                "outputs": {"type": "array", "items": described},
            },
            ["name", "versions", "platform", "inputs", "outputs"],
        ),
    }
