"""JSON bodies: read fast, and explained where they are none."""

from __future__ import annotations

import json
from typing import Any

import orjson

from tabpipe_server.errors import Unanswered, bad

_EXPLAINED = 250_000
"""Bodies of up to so many bytes are read a second time to explain a fault, which takes a hundred times the memory."""
_AROUND = 20


class _Odd(float):
    """A number that JSON has not: NaN, an infinity, or one beyond the largest."""


def read_json(body: bytes) -> Any:
    """Reads a JSON body.

    Raises:
        Unanswered: It is not JSON; where it is wrong and how to mend it is said.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _explained(body, error) from None


def _explained(body: bytes, error: orjson.JSONDecodeError) -> Unanswered:
    if not body.strip():
        return bad(
            "NOT_JSON", "the body is empty", rule="a JSON object", mend='for instance {"dataframe_records": [{…}]}'
        )
    odd = _first_odd(body)
    if odd is not None:
        path, text = odd
        row = next((part for part in path if isinstance(part, int)), None)
        column = next((part for part in reversed(path) if isinstance(part, str)), None)
        return bad(
            "NOT_JSON",
            "this is no number that JSON has",
            where=_worded(path),
            value=text,
            rule="a finite number, or null where it is missing",
            mend="send null for a missing value",
            row=row,
            column=column if path and not isinstance(path[-1], int) else None,
        )
    at = error.pos
    # orjson has no text of what is not UTF-8; all of it would take long to mend.
    text = error.doc or body[: at + 4 * _AROUND].decode("utf-8", "replace")
    return bad(
        "NOT_JSON",
        f"the body is not JSON: {error.msg.split(': line ')[0]}",
        where=f"line {error.lineno}, column {error.colno}",
        value=text[max(0, at - _AROUND) : at + _AROUND],
        rule="JSON as RFC 8259 has it, in UTF-8",
        mend="check what wrote it; Content-Length must be the number of bytes",
    )


def _first_odd(body: bytes) -> tuple[list[str | int], str] | None:
    """Where the first NaN, infinity or too large a number stands, if all else is JSON."""
    if len(body) > _EXPLAINED:
        return None
    found: list[tuple[_Odd, str]] = []

    def constant(text: str) -> float:
        found.append((_Odd(text.replace("Infinity", "inf")), text))
        return found[-1][0]

    def number(text: str) -> float:
        value = float(text)
        return constant(text) if value in (float("inf"), float("-inf")) else value

    def whole(text: str) -> int | float:
        return constant(text) if len(text) > 308 else int(text)

    try:
        document = json.loads(body, parse_constant=constant, parse_float=number, parse_int=whole)
    except (ValueError, RecursionError):
        return None
    if not found:
        return None
    path = _path_to(document, found[0][0])
    return (path, found[0][1][:_AROUND]) if path is not None else None


def _path_to(document: Any, wanted: Any) -> list[str | int] | None:
    """The keys and indices that lead to a value, found without recursion."""
    waiting: list[tuple[Any, tuple | None]] = [(document, None)]
    while waiting:
        value, trail = waiting.pop()
        if value is wanted:
            path: list[str | int] = []
            while trail is not None:
                path.append(trail[0])
                trail = trail[1]
            return path[::-1]
        if isinstance(value, dict):
            waiting.extend((one, (key, trail)) for key, one in value.items())
        elif isinstance(value, list):
            waiting.extend((one, (at, trail)) for at, one in enumerate(value))
    return None


def _worded(path: list[str | int]) -> str:
    """For instance: dataframe_split.data, row 0, place 3."""
    words, names, row = [], [], False
    for part in path:
        if isinstance(part, str) and not row:
            names.append(part)
        elif isinstance(part, str):
            words.append(f"column {part}")
        else:
            words.append(f"place {part}" if row else f"row {part}")
            row = True
    return ", ".join([".".join(names)[:100], *words] if names else words)
