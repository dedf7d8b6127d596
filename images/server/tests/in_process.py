"""The server's application, asked without a socket: for what is decided before and after the wire."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

from components.common.inference import load_predictor
from tabpipe_server.main import assembled
from tabpipe_server.models import Models, Served
from tabpipe_server.settings import settings_of


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body read."""
        return json.loads(self.body)

    @property
    def fault(self) -> dict[str, Any]:
        """The error's details."""
        document = self.json()
        return document.get("fault") or document["error"]


class Asked:
    """An application with a model."""

    def __init__(self, folder, logbook=None, challenger=None, **variables):
        given = {"model": str(folder), "name": "trees"} | ({"challenger": "later"} if challenger else {}) | variables
        self.settings = settings_of({f"TABPIPE_SERVE_{name.upper()}": str(value) for name, value in given.items()})
        self.models = Models()
        self.app, self.parts = assembled(self.settings, self.models, logbook)
        if folder is not None:
            self.place("champion", folder, "3")
        if challenger is not None:
            self.place("challenger", challenger, "4")

    def place(self, role, folder, version):
        """Puts a model in place."""
        served = Served(load_predictor(folder), "trees", version, role, "0" * 64)
        self.models.swap(role, served)
        self.parts.metrics.swapped(role, served)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows that the model may be asked with."""
        predictor = self.models.champion.predictor
        return [{name: _plain(row.get(name)) for name in predictor.columns} for row in predictor.example]

    def ask(self, path="/invocations", document=None, *, method="POST", body=None, chunks=None, query="", **headers):
        """Sends a request; `headers` have _ for -."""
        if document is not None:
            body = json.dumps(document).encode()
        parts = chunks if chunks is not None else [body or b""]
        given = {"content-type": "application/json"} | {name.replace("_", "-"): text for name, text in headers.items()}
        scope = {
            "type": "http",
            "path": path,
            "method": method,
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in given.items() if text is not None],
        }
        return asyncio.run(_answered(self.app, scope, list(parts)))


async def _answered(app, scope, parts) -> Answer:
    sent: list[dict] = []
    await asyncio.wait_for(app(scope, lambda: _next(parts), lambda message: _keep(sent, message)), 60)
    head = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], head, b"".join(message["body"] for message in sent[1:]))


async def _next(parts):
    if not parts:
        return {"type": "http.disconnect"}
    return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}


async def _keep(sent, message):
    sent.append(message)


def _plain(value):
    return None if value != value else value
