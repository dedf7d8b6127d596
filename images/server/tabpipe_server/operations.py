"""The operations of the OpenAPI document: what each endpoint takes and answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tabpipe_server.request_schemas import Schema, Signature, csv_example, example_row, ref, request_examples
from tabpipe_server.schemas import CODES

if TYPE_CHECKING:
    from tabpipe_server.settings import Settings

_TEXT: Schema = {"type": "string"}
_HEADERS = {
    "X-Model-Name": "The model that answered.",
    "X-Model-Version": "Its version.",
    "X-Model-Role": "champion or challenger.",
    "X-Request-Id": "What the request is known by: the one that was sent, if it is sane, else one made here.",
}
_SENT_HEADERS = [
    {
        "name": "X-Request-Id",
        "in": "header",
        "description": "What the request is to be known by: 1 to 128 of A-Z a-z 0-9 . _ : - (else one is made).",
        "schema": _TEXT,
    },
    {
        "name": "X-Request-Key",
        "in": "header",
        "description": "Chooses between champion and challenger: equal keys get the same model.",
        "schema": _TEXT,
    },
]
_LOCKED: list[dict[str, list[str]]] = [{"bearer": []}, {"header": []}]
_FAILING = {400: "Error", 408: "Error", 413: "Error", 415: "Error", 431: "Error", 500: "Error", 503: "Error"}
_READY: Schema = {"type": "object", "properties": {"ready": {"type": "boolean"}}, "required": ["ready"]}
_DATATYPES = {"numerical": "FP64"}


def invocations(signature: Signature | None, settings: Settings) -> dict[str, Any]:
    """POST /invocations."""
    requests = ["RecordsRequest", "SplitRequest", "InstancesRequest", "InputsRequest"]
    content: dict[str, Any] = {"application/json": {"schema": {"type": "object"}}, "text/csv": {"schema": _TEXT}}
    if signature is not None:
        examples = {form: {"value": value} for form, value in request_examples(signature).items()}
        content["application/json"] = {"schema": {"oneOf": [ref(one) for one in requests]}, "examples": examples}
        content["text/csv"]["example"] = csv_example(signature)
    return _predicting(
        settings,
        ref("Answer"),
        "Error",
        operationId="invocations",
        tags=["predictions"],
        summary="Predict rows",
        description="Rows in one of MLflow's shapes, or a CSV with a header line (params then stand in the query, and "
        f"an empty cell is a missing value). At most {settings.max_rows} rows and {settings.max_bytes} bytes.",
        requestBody={"required": True, "content": content},
    )


def protocol_paths(name: str, signature: Signature | None, settings: Settings) -> dict[str, Any]:
    """The paths of the Open Inference Protocol."""
    text = {"type": "array", "items": _TEXT}
    about = _object(name=_TEXT, version=_TEXT, extensions=text)
    tag = "protocol v2"
    paths = {
        "/v2": _got("The server", tag, about),
        "/v2/health/live": _got("Whether the server lives", tag, _object(live={"const": True})),
        "/v2/health/ready": _got("Whether a model is in place", tag, _READY, _not_ready(_READY)),
    }
    version = {"name": "version", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    version["example"] = signature["version"] if signature else "1"
    named = _object(name=_TEXT, ready={"type": "boolean"})
    missing = _errors({404: "InferError"})
    model = f"/v2/models/{quote(name, safe='')}"
    for path, parameters in ((model, []), (f"{model}/versions/{{version}}", [version])):
        both = [missing["404"]["content"]["application/json"]["schema"], named]
        unready = _not_ready({"anyOf": both})
        metadata = _got(
            "Versions, inputs and outputs", tag, ref("ModelMetadata"), _errors({404: "InferError", 503: "InferError"})
        )
        paths[f"{path}/infer"] = {"post": _infer(signature, settings, parameters)}
        paths[path] = metadata
        paths[f"{path}/ready"] = _got("Whether it is in place", tag, named, missing | unready)
        for looked in (path, f"{path}/ready"):
            paths[looked]["get"]["parameters"] = parameters
    return paths


def _infer(signature: Signature | None, settings: Settings, parameters: list[dict]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": ref("InferRequest")}
    if signature is not None:
        content["example"] = _tensors(signature)
    operation = _predicting(
        settings,
        ref("InferAnswer"),
        "InferError",
        operationId="infer_version" if parameters else "infer",
        tags=["protocol v2"],
        summary="Predict tensors" + (" with a version that is in place" if parameters else ""),
        description="One tensor per column. A classification has a second output, `probabilities`, if it is asked for.",
        requestBody={"required": True, "content": {"application/json": content}},
    )
    operation["parameters"] = operation["parameters"] + parameters
    operation["responses"] |= _errors({404: "InferError"})
    return operation


def server_paths() -> dict[str, Any]:
    """Health, metrics, pages and descriptions."""
    plain, page = {"text/plain": {"schema": _TEXT}}, {"text/html": {"schema": _TEXT}}
    status = _object(status=_TEXT)
    away = {"503": {"description": "No model is in place yet", "content": page}}
    return {
        "/ping": _got(
            "Whether a model is in place, as MLflow has it: an empty line",
            "server",
            more={"503": {"description": "Not ready", "content": {"application/json": {}}}},
            content={"application/json": {}},
        ),
        "/version": _got("The version of MLflow whose protocol this is", "server", content=plain),
        "/healthz": _got("Whether the server lives", "server", status),
        "/readyz": _got(
            "Whether requests should be sent here, and the models in place", "server", status, _not_ready(status)
        ),
        "/signature": _got("What the model is asked with", "server", ref("Signature"), _errors({503: "Error"})),
        "/metrics": _got("Counters for Prometheus", "server", content=plain),
        "/openapi.json": _got("This document", "server", _object(openapi=_TEXT)),
        "/docs": _got("This document as a page", "server", content=page),
        "/": _got("A form to ask the model with", "server", more=away, content=page),
    }


def _predicting(settings: Settings, answer: Schema, error: str, **said: Any) -> dict[str, Any]:
    """An operation that asks the model."""
    headers = {name: {"description": about, "schema": _TEXT, "required": True} for name, about in _HEADERS.items()}
    found = {"description": "The predictions", "headers": headers, "content": {"application/json": {"schema": answer}}}
    failing = dict.fromkeys(_FAILING, error) | ({401: error} if settings.api_key else {})
    operation = {**said, "parameters": _SENT_HEADERS, "responses": {"200": found, **_errors(failing)}}
    return operation | ({"security": _LOCKED} if settings.api_key else {})


def _errors(failing: dict[int, str]) -> dict[str, Any]:
    """The answers of these statuses, each with the name of its schema."""
    return {
        str(status): {
            "description": "; ".join(f"`{code}`: {about}" for code, about in CODES[status].items()),
            "content": {"application/json": {"schema": ref(schema)}},
        }
        for status, schema in sorted(failing.items())
    }


def _got(
    summary: str, tag: str, schema: Schema | None = None, more: dict | None = None, content: dict | None = None
) -> dict[str, Any]:
    """A path that is only read."""
    found = content or {"application/json": {"schema": schema}}
    responses = {"200": {"description": summary, "content": found}} | (more or {})
    return {"get": {"tags": [tag], "summary": summary, "responses": responses}}


def _not_ready(schema: Schema) -> dict[str, Any]:
    return {"503": {"description": "Not ready", "content": {"application/json": {"schema": schema}}}}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _tensors(signature: Signature) -> dict[str, Any]:
    """The example row as a request to infer."""
    row = example_row(signature)
    inputs = []
    for column in signature["columns"]:
        if column["name"] in row:
            value, datatype = row[column["name"]], _DATATYPES.get(column["kind"], "BYTES")
            if isinstance(value, bool):
                datatype = "BOOL"
            inputs.append({"name": column["name"], "shape": [1], "datatype": datatype, "data": [value]})
    asked = {"parameters": {"probabilities": True}} if signature["classes"] else {}
    return {"inputs": inputs, **asked}
