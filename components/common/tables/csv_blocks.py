"""The bytes of a CSV in blocks of whole records, so that each can be parsed by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from components.common.base.errors import Refusal

BLOCK = 1 << 20
"""Bytes that are parsed at once. A record may have as many; some more are read where blocks happen to allow it."""
SHOWN = 1000
"""Characters that are kept of a line that is no row."""
_LINE_END = re.compile(rb"[\r\n]")


class Blocks:
    """The records of a CSV behind its header.

    Args:
        stream: The bytes in UTF-8; they end with a line end.
        header: The first record, as it stands.
        rest: What was read behind it.
        where: What to call the file in a refusal.
        delimiter: What separates fields.
        strict: Whether a record that is too long is refused.
        size: Bytes of a block.

    Raises:
        Refusal: A quote is never closed in the header. On reading: in a record; or a record is too long, if strict.
    """

    def __init__(
        self,
        stream: BinaryIO,
        header: bytes,
        rest: bytes,
        where: str,
        delimiter: str,
        strict: bool,
        size: int,
    ):
        self._stream, self._data, self._where, self._strict, self._size = stream, rest, where, strict, size
        # A quote opens a field only where a field begins; one that is not doubled closes it.
        before = rb"(?<![^\r\n" + re.escape(delimiter.encode()) + rb']")'
        self._quoted = re.compile(rb'"' + before + rb'[^"]*+(?:""[^"]*+)*+("?)')
        if (spans := list(self._quoted.finditer(header))) and not spans[-1][1]:
            raise self._never_closed(1 + line_ends(header[: spans[-1].start()]))
        self._line = 1 + line_ends(header)

    def __iter__(self) -> Iterator[tuple[bytes, int, bool]]:
        """Whole records, about a block of them at a time, and the line that they start on, counted from 1.

        A record that is too long comes alone, its start only; the third value tells.
        """
        data, long, start = self._data, b"", 0
        self._data = b""
        while True:
            piece = self._stream.read(self._size)
            data += piece
            if long and (end := self._first_end(data)):
                yield long, start, True
                self._line += line_ends(data[:end])
                data, long = data[end:], b""
            if not long and (end := self._last_end(data)):
                yield data[:end], self._line, False
                self._line += line_ends(data[:end])
                data = data[end:]
            if not piece:
                break
            if long or len(data) >= BLOCK:
                if self._strict:
                    raise self._too_long(data)
                start = start if long else self._line
                long, data = long or data[: 4 * SHOWN], self._skipped(data)
        if data:  # It ends with a line end, so that is within quotes.
            opened = max(span.start() for span in self._quoted.finditer(data))
            raise self._never_closed(start if long else self._line + line_ends(data[:opened]))

    def _last_end(self, data: bytes) -> int:
        """Where the last whole record ends; 0 if there is none."""
        cut = len(data)
        for span in reversed(list(self._quoted.finditer(data))):
            if end := max(data.rfind(b"\n", span.end(), cut), data.rfind(b"\r", span.end(), cut)) + 1:
                return end
            cut = span.start()
        return max(data.rfind(b"\n", 0, cut), data.rfind(b"\r", 0, cut)) + 1

    def _first_end(self, data: bytes) -> int:
        """Where the first record ends; 0 if it does not."""
        start = 0
        for span in self._quoted.finditer(data):
            if found := _LINE_END.search(data, start, span.start()):
                return found.end()
            start = span.end()
        return found.end() if (found := _LINE_END.search(data, start)) else 0

    def _skipped(self, data: bytes) -> bytes:
        """Pass over a part of a record; return a few bytes in its place after which quotes mean what they did."""
        self._line += line_ends(data)
        spans = list(self._quoted.finditer(data))
        if spans and spans[-1].end() == len(data):
            return b'""' if spans[-1][1] else b'"'
        return b"x" + data[-1:]

    def _too_long(self, data: bytes) -> Refusal:
        return Refusal(
            f"the record at line {self._line} is too long",
            where=self._where,
            value=str(data[:100], "utf-8", "ignore"),
            rule=f"a record has at most {BLOCK >> 20} MB",
            mend="look for a quote that is not closed",
        )

    def _never_closed(self, line: int) -> Refusal:
        return Refusal(
            f"a double quote is opened at line {line} and never closed",
            where=self._where,
            rule="quotes come in pairs",
            mend="mend the line; was the file cut short?",
        )


def line_ends(data: bytes | str) -> int:
    """How many line ends there are; those of old Macs where there are no others."""
    if isinstance(data, str):
        return data.count("\n") or data.count("\r")
    return data.count(b"\n") or data.count(b"\r")
