"""What Kubeflow's metadata store knows of a run: what each step has made, whether it ran or was served by the cache.

The store speaks gRPC, which the proxy of the Kubernetes API does not carry. Kubeflow's own pages ask it by gRPC-Web,
and so does this module: a POST whose body is a message with five bytes before it. Of the store's messages it knows the
few fields that it needs.
"""

from __future__ import annotations

import base64
import re
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.client import NAMESPACE, PATIENCE, Cluster, answered

_SERVICE = "metadata-envoy-service:9090"
_TRAILERS = 0x80
"""The bit that tells a frame of trailers from one of a message."""
_CACHED, _OUTPUT = 5, 4
"""An execution's state and an event's kind, as the store numbers them."""
_INT64, _DOUBLE, _STRING, _MESSAGE = 3, 1, 9, 11
_MESSAGES: dict[str, list[tuple[str, int, Any]]] = {
    "Value": [("int_value", 1, _INT64), ("double_value", 2, _DOUBLE), ("string_value", 3, _STRING)],
    "Property": [("key", 1, _STRING), ("value", 2, "Value")],
    "Context": [("id", 1, _INT64)],
    "Execution": [("id", 1, _INT64), ("last_known_state", 3, _INT64), ("custom_properties", 5, ["Property"])],
    "PathStep": [("index", 1, _INT64), ("key", 2, _STRING)],
    "Path": [("steps", 1, ["PathStep"])],
    "Event": [("artifact_id", 1, _INT64), ("execution_id", 2, _INT64), ("path", 3, "Path"), ("type", 4, _INT64)],
    "Artifact": [("id", 1, _INT64), ("uri", 3, _STRING), ("custom_properties", 5, ["Property"])],
    "GetContextByTypeAndNameRequest": [("type_name", 1, _STRING), ("context_name", 2, _STRING)],
    "GetContextByTypeAndNameResponse": [("context", 1, "Context")],
    "ListOptions": [("max_result_size", 1, _INT64), ("next_page_token", 3, _STRING)],
    "GetExecutionsByContextRequest": [("context_id", 1, _INT64), ("options", 2, "ListOptions")],
    "GetExecutionsByContextResponse": [("executions", 1, ["Execution"]), ("next_page_token", 2, _STRING)],
    "GetEventsByExecutionIDsRequest": [("execution_ids", 1, [_INT64])],
    "GetEventsByExecutionIDsResponse": [("events", 1, ["Event"])],
    "GetArtifactsByIDRequest": [("artifact_ids", 1, [_INT64])],
    "GetArtifactsByIDResponse": [("artifacts", 1, ["Artifact"])],
}
"""Message to its fields: name, number and kind; a list of one kind is a repeated field. Maps are lists of pairs."""


@dataclass(frozen=True)
class Made:
    """An output of a step."""

    step: str
    name: str
    uri: str
    """Where Kubeflow keeps it. Of a step that the cache served, that is below the run that made it."""
    metadata: dict[str, Any]
    cached: bool
    """Whether the cache served the step."""


def made_by(cluster: Cluster, run_id: str) -> list[Made]:
    """The outputs of a run's steps; none where the store has no such run.

    Args:
        cluster: Where.
        run_id: Kubeflow's id of the run.

    Raises:
        Refusal: The store does not answer.
    """
    found = _ask(cluster, "GetContextByTypeAndName", type_name="system.PipelineRun", context_name=run_id)
    if not found.HasField("context"):
        return []
    steps, cached = {}, set()
    for execution in _executions(cluster, found.context.id):
        if task := _properties(execution).get("task_name"):
            steps[execution.id] = task.replace("-", "_")
            cached |= {execution.id} if execution.last_known_state == _CACHED else set()
    events = [
        event
        for event in _ask(cluster, "GetEventsByExecutionIDs", execution_ids=list(steps)).events
        if event.type == _OUTPUT
    ]
    asked = sorted({event.artifact_id for event in events})
    artifacts = {one.id: one for one in _ask(cluster, "GetArtifactsByID", artifact_ids=asked).artifacts}
    return [
        Made(
            steps[event.execution_id],
            next((step.key for step in event.path.steps if step.key), ""),
            artifacts[event.artifact_id].uri,
            _properties(artifacts[event.artifact_id]),
            event.execution_id in cached,
        )
        for event in events
        if event.artifact_id in artifacts
    ]


def _executions(cluster: Cluster, context_id: int) -> list[Any]:
    found, token = [], ""
    while True:
        options = _message("ListOptions")(max_result_size=100, next_page_token=token)
        page = _ask(cluster, "GetExecutionsByContext", context_id=context_id, options=options)
        found += page.executions
        token = page.next_page_token
        if not token:
            return found


def _properties(thing: Any) -> dict[str, Any]:
    """An object's own properties, those of a kind that is known here."""
    kinds = ("int_value", "double_value", "string_value")
    return {
        pair.key: getattr(pair.value, kind)
        for pair in thing.custom_properties
        for kind in kinds
        if pair.value.HasField(kind)
    }


def _ask(cluster: Cluster, method: str, **fields: Any) -> Any:
    """Calls a method of the store.

    Raises:
        Refusal: No answer, or one that says why not.
    """
    client = cluster.core.api_client
    path = f"/api/v1/namespaces/{NAMESPACE}/services/{_SERVICE}/proxy/ml_metadata.MetadataStoreService/{method}"
    headers = {"Content-Type": "application/grpc-web-text", "Accept": "application/grpc-web-text", "X-Grpc-Web": "1"}
    client.update_params_for_auth(headers, [], ["BearerToken"])
    message = _message(f"{method}Request")(**fields).SerializeToString()
    body = base64.b64encode(struct.pack(">BI", 0, len(message)) + message).decode()
    url = client.configuration.host + path
    with answered(cluster.context):
        answer = client.rest_client.POST(url, headers=headers, body=body, _request_timeout=PATIENCE)
    said = answer.getheader("grpc-message") or "an empty answer"
    for flags, data in _frames(answer.data):
        if not flags & _TRAILERS:
            return _message(f"{method}Response").FromString(data)
        said = data.decode(errors="replace").strip()
    where = f"context {cluster.context}"
    raise Refusal(f"Kubeflow's metadata store does not answer: {said}", where=where, value=method)


def _frames(encoded: str) -> list[tuple[int, bytes]]:
    """The frames of an answer: flags and content. Each of them may be encoded, and padded, by itself."""
    data = b"".join(map(base64.b64decode, re.findall(r"[^=]+=*", encoded.strip())))
    found = []
    while len(data) >= 5:
        flags, size = struct.unpack(">BI", data[:5])
        found.append((flags, data[5 : 5 + size]))
        data = data[5 + size :]
    return found


def _message(name: str) -> Any:
    """The class of one of the store's messages."""
    return _classes()[f"tabpipe.metadata.{name}"]


@cache
def _classes() -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="tabpipe/metadata.proto", package="tabpipe.metadata")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for field, number, kind in fields:
            kind, label = (kind[0], 3) if isinstance(kind, list) else (kind, 1)
            composed = {"type": _MESSAGE, "type_name": f".{file.package}.{kind}"} if isinstance(kind, str) else {}
            described.field.add(**{"name": field, "number": number, "label": label, "type": kind, **composed})
    # A pool of its own: nothing else must know of these messages.
    return message_factory.GetMessages([file], pool=descriptor_pool.DescriptorPool())
