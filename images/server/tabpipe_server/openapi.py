"""The OpenAPI document of the server, made from the signature of the model that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tabpipe_server.operations import invocations, protocol_paths, server_paths
from tabpipe_server.page.docs import docs_page
from tabpipe_server.page.signature import signature_of
from tabpipe_server.request_schemas import Signature, request_schemas
from tabpipe_server.schemas import common_schemas

if TYPE_CHECKING:
    from tabpipe_server.models import Served
    from tabpipe_server.settings import Settings

__all__ = ["docs_page", "document"]


def document(name: str, served: Served | None, settings: Settings) -> dict[str, Any]:
    """The document as JSON has it.

    Args:
        name: The model's name in URLs.
        served: The champion; None while there is none, and then rows are any objects.
        settings: The server's limits.

    Returns:
        An OpenAPI 3.1 document.
    """
    signature = None if served is None else signature_of(served)
    if signature is not None and settings.id_column:
        signature["ignored"].append(settings.id_column)
    schemas = common_schemas(signature, settings)
    if signature is not None:
        schemas |= request_schemas(signature, settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"{name}: predictions",
            "version": "none" if served is None else served.version,
            "description": _about(signature),
        },
        "servers": [{"url": "."}],
        "tags": [
            {"name": "predictions", "description": "MLflow's scoring protocol."},
            {"name": "protocol v2", "description": "The Open Inference Protocol, as KServe and Triton speak it."},
            {"name": "server", "description": "Health, metrics and descriptions. These need no API key."},
        ],
        "paths": {
            "/invocations": {"post": invocations(signature, settings)},
            **protocol_paths(name, signature, settings),
            **server_paths(),
        },
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _about(signature: Signature | None) -> str:
    if signature is None:
        return "There is no model yet."
    kind = f"one of {len(signature['classes'])} classes" if signature["classes"] else "a number"
    return (
        f"Predicts {signature['target']}, {kind}, from {len(signature['columns'])} columns. "
        "A missing value is null. Rows are answered in their order, or not at all: one bad row refuses the request."
    )
