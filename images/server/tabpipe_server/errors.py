"""What a client is told when its request is not answered: one shape for all faults, of the client and of the server."""

from __future__ import annotations

import math
from typing import Any

import orjson

from components.common.base.errors import Refusal, shorten

MLFLOW_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    404: "ENDPOINT_NOT_FOUND",
    408: "REQUEST_TIMEOUT",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}
"""The `error_code` that clients of MLflow's scoring server look at; BAD_REQUEST for the rest."""
_TEXT = 200
"""Characters of a value that are shown."""


class Unanswered(Exception):
    """A request that gets an error for an answer.

    Args:
        status: The HTTP status.
        code: The kind of fault in capitals, for programs and for the metrics.
        message: What is wrong, in one sentence.
        where: The row, column or field that it is wrong in.
        value: The offending value, if there is one to show.
        rule: The rule that it breaks.
        mend: What the client can do about it.
        headers: More headers of the answer.
        details: More fields of the error: row, column, faults.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        where: str = "",
        value: Any = None,
        rule: str = "",
        mend: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        **details: Any,
    ):
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers
        self.parts = {"where": shorten(where, _TEXT), "value": _shown(value), "rule": rule, "mend": mend, **details}

    def body(self, request_id: str, plain: bool = False) -> bytes:
        """The answer's JSON.

        Args:
            request_id: What the request is known by.
            plain: Whether `error` is a text, as the Open Inference Protocol has it; the details are then in `fault`.
        """
        fault = {"code": self.code, "message": self.message}
        fault.update((name, part) for name, part in self.parts.items() if part not in ("", None))
        sentence = self.sentence()
        document: dict[str, Any] = {"error": sentence, "fault": fault} if plain else {"error": fault}
        document["error_code"] = MLFLOW_CODES.get(self.status, "BAD_REQUEST")
        document["message"] = sentence
        document["request_id"] = request_id
        return orjson.dumps(document)

    def sentence(self) -> str:
        """Everything in one text, for clients that show only a message."""
        parts = self.parts
        text = f"{parts['where']}: {self.message}" if parts["where"] else self.message
        if parts["value"] is not None:
            text += f"; value: {parts['value']}"
        if parts["rule"]:
            text += f"; rule: {parts['rule']}"
        return text + (f"; {parts['mend']}" if parts["mend"] else "")


def bad(code: str, message: str, **parts: Any) -> Unanswered:
    """A request that its client has to mend: 400."""
    return Unanswered(400, code, message, **parts)


def bad_rows(faults: list, rows: int) -> Unanswered:
    """Rows that the model does not take: the first fault, and how many rows have one.

    Args:
        faults: `Fault`s of the inference core, by row.
        rows: How many rows the request has.
    """
    first = faults[0]
    more = f", and {len(faults) - 1} more of {rows} rows have a fault" if len(faults) > 1 else ""
    return bad(
        "BAD_VALUE",
        f"the value is not accepted{more}",
        where=f"row {first.row}, column {first.column}",
        value="null" if first.value is None else first.value,
        rule=first.rule,
        mend="rows are counted from 0; mend the row or leave it out",
        row=first.row,
        column=first.column,
        faults=len(faults),
    )


def from_refusal(refusal: Refusal) -> Unanswered:
    """A refusal of the inference core as the client's fault."""
    return bad(
        "BAD_COLUMN",
        refusal.problem,
        where=refusal.where,
        value=refusal.value,
        rule=refusal.rule,
        mend=refusal.mend,
    )


def unexpected() -> Unanswered:
    """A fault of the server's own. Its trace is in the log, not in the answer."""
    return Unanswered(
        500, "INTERNAL", "the server failed; its log has the trace under the request id", mend="report the request id"
    )


def _shown(value: Any) -> Any:
    """A value as it goes into the answer: numbers as they are, anything long shortened."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, int):
        return value if abs(value) < 2**53 else shorten(str(value)[:_TEXT])
    text = value if isinstance(value, str) else repr(value) if not isinstance(value, (list, dict)) else _head(value)
    return shorten(text[: _TEXT + 1], _TEXT).encode("utf-8", "replace").decode()


def _head(value: list | dict) -> str:
    """The beginning of a list or an object, without writing all of it."""
    few = value[:5] if isinstance(value, list) else dict(list(value.items())[:5])
    try:
        return orjson.dumps(few, default=str).decode()[: _TEXT + 1]
    except TypeError:  # nested deeper than is written
        return "[…]" if isinstance(value, list) else "{…}"
