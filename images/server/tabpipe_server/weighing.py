"""What a body will cost in memory, told from its bytes before it is parsed.

A value of two bytes may take two hundred in memory, and a JSON parser lets nobody else run until it is done. So what
makes values is counted first. Prices are of CPython's objects, rounded up.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tabpipe_server.errors import Unanswered

SMALL = 65_536
"""Bodies of up to so many bytes cost little whatever they hold: they are not weighed, and read on the event loop."""
_MOST = 40 << 20
"""Bytes that the values of a body may take in memory. The parser makes so many in about 50 ms."""
_PER_BYTE = 4
"""Or so many per byte of the limit of a body, where an operator has raised that."""
_JSON = {b",": 52, b'"': 18, b":": 52, b"[": 100, b"{": 200}
_CSV = {b",": 64, b"\n": 16}


def check_json(body: bytes, max_bytes: int) -> None:
    """Refuses a JSON body of too many values.

    Raises:
        Unanswered: 413.
    """
    if len(body) > SMALL:
        _check(body, _JSON, max_bytes, escapes=True)


def check_csv(body: bytes, max_bytes: int, delimiter: str = ",") -> None:
    """Refuses a CSV of too many cells.

    Args:
        body: Its bytes.
        max_bytes: The limit of a body.
        delimiter: What separates its fields.

    Raises:
        Unanswered: 413.
    """
    if len(body) > SMALL:
        _check(body, {**_CSV, delimiter.encode(): _CSV[b","]}, max_bytes, escapes=False)


def _check(body: bytes, prices: Mapping[bytes, int], max_bytes: int, escapes: bool) -> None:
    most = max(_MOST, _PER_BYTE * max_bytes)
    signs = np.frombuffer(body, np.uint8)
    if _cost(signs, prices) <= most:
        return
    # It may be long texts that are full of commas: now without what stands between quotes.
    if escapes and b"\\" in body:
        signs = np.frombuffer(body.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    quotes = signs == ord('"')
    outside = np.bitwise_xor.accumulate(quotes) == 0
    cost = _cost(signs[outside | quotes], prices)
    if cost > most:
        raise Unanswered(
            413,
            "TOO_MANY_VALUES",
            "the body has too many values",
            value=f"about {cost >> 20} MiB in memory",
            rule=f"at most {most >> 20} MiB",
            mend="send the rows in several requests, or use the batch command",
        )


def _cost(signs: np.ndarray, prices: Mapping[bytes, int]) -> int:
    return sum(price * int(np.count_nonzero(signs == ord(sign))) for sign, price in prices.items())
