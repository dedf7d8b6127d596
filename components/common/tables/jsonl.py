"""The records of JSON, one object per line or one array of objects, with the type that each value has."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.inference.coerce import ABSENT
from components.common.tables.chunk import Chunk, Faulty
from components.common.tables.columns import refuse_nested
from components.common.tables.formats import is_array

LONGEST = 8 << 20
"""Bytes of a record."""
_TOGETHER = 16 << 20
"""Bytes of records that are held at once."""
_SHOWN = 1000
_RULE = 'one JSON object per line, or an array of objects, such as {"size": 1.5, "kind": "a"}'
_BETWEEN = re.compile(r"[\s,]*")


class JsonRows:
    """JSON records.

    Args:
        stream: Their bytes in UTF-8, buffered.
        where: What to call them in a refusal.
        strict: Whether the first record that is no object is refused, and columns of lists or records are left out.
        declared: Columns that may not hold lists or records, if strict.
        array: Whether it is one array; told by its first bytes if None.
    """

    def __init__(self, stream: io.BufferedReader, where: str, strict: bool, declared: Collection[str], array=None):
        self._stream, self._where, self._strict, self._declared = stream, where, strict, declared
        self._array = is_array(stream.peek(64)[:64]) if array is None else array
        self.left_out: set[str] = set()

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """The rows as Python values, `ABSENT` where an object lacks a key, at most so many at a time.

        Raises:
            Refusal: A record is too long, or an array cannot be read further. If strict: a record is no object, or a
                declared column holds lists or records.
        """
        held: list[tuple[int, Any]] = []
        faulty: list[Faulty] = []
        size = number = 0
        records: Iterator[tuple[Any, str | bytes]] = self._items() if self._array else self._lines()
        for number, (record, text) in enumerate(records, 1):
            size += len(text)
            if isinstance(record, dict):
                held.append((number, record))
            else:
                faulty.append(self._fault(number, record, text))
            if len(held) + len(faulty) >= rows or size >= _TOGETHER:
                yield self._chunk(held, faulty)
                held, faulty, size = [], [], 0
        if held or faulty:
            yield self._chunk(held, faulty)
        if self._strict and not number:
            raise Refusal("the file is empty", where=self._where, rule=_RULE)

    def _fault(self, number: int, record: Any, text: str | bytes) -> Faulty:
        said = str(record) if isinstance(record, ValueError) else "it is no object"
        shown = (text if isinstance(text, str) else text.decode(errors="replace")).strip()[:_SHOWN]
        if self._strict:
            raise Refusal(f"record {number} is not accepted: {said}", where=self._where, value=shown, rule=_RULE)
        return Faulty(number, shown, _RULE)

    def _lines(self) -> Iterator[tuple[Any, bytes]]:
        while line := self._stream.readline(LONGEST + 1):
            if len(line) > LONGEST:
                start = line[:_SHOWN]
                while line and not line.endswith(b"\n"):
                    line = self._stream.readline(LONGEST)
                yield ValueError(f"it is longer than {LONGEST >> 20} MB"), start
            elif line.strip():
                yield self._record(line), line

    def _items(self) -> Iterator[tuple[Any, str]]:
        """The items of an array, as they come; only about a record of its text is held."""
        text, at, number, decoder = "", 0, 0, self._decoder()
        stream = io.TextIOWrapper(self._stream, encoding="utf-8", newline="")
        try:
            text = stream.read(1 << 20).lstrip("\ufeff \t\r\n").removeprefix("[")
            while True:
                at = between.end() if (between := _BETWEEN.match(text, at)) else at
                try:
                    if text.startswith("]", at):
                        break
                    record, end = decoder.raw_decode(text, at)
                    if end == len(text):
                        raise ValueError("it is cut short")
                except (ValueError, RecursionError) as error:
                    more = stream.read(1 << 20) if len(text) - at < LONGEST else ""
                    if not more:
                        raise self._broken(number, text, at, error) from None
                    text, at = text[at:] + more, 0
                    continue
                number += 1
                yield record, text[at:end]
                at = end
            if text[at + 1 :].strip() or stream.read(1 << 20).strip():
                raise Refusal("there is more behind the JSON array", where=self._where, rule=_RULE)
        finally:
            stream.detach()

    def _broken(self, number: int, text: str, at: int, error: Exception) -> Refusal:
        return Refusal(
            f"record {number + 1} of the JSON array is not accepted: {error or 'it is nested too deeply'}",
            where=self._where,
            value=text[at : at + 100],
            rule=f"{_RULE}; a record has at most {LONGEST >> 20} MB",
            mend="was the file cut short?",
        )

    def _decoder(self) -> json.JSONDecoder:
        return json.JSONDecoder(object_pairs_hook=_once) if self._strict else json.JSONDecoder()

    def _record(self, line: bytes) -> Any:
        try:
            return json.loads(line, object_pairs_hook=_once if self._strict else None)
        except RecursionError:
            return ValueError("it is nested too deeply")
        except ValueError as error:
            return error

    def _chunk(self, held: list[tuple[int, Any]], faulty: list[Faulty]) -> Chunk:
        names = dict.fromkeys(name for _, record in held for name in record)
        columns = {name: [record.get(name, ABSENT) for _, record in held] for name in names}
        for name in names if self._strict else ():
            if any(type(value) in (list, dict) for value in columns[name]):
                if name in self._declared:
                    at = next(at for at, value in enumerate(columns[name]) if type(value) in (list, dict))
                    raise refuse_nested(name, str(columns[name][at]), f"{self._where}, record {held[at][0]}")
                self.left_out.add(name)
        columns = {name: values for name, values in columns.items() if name not in self.left_out}
        return Chunk(np.array([number for number, _ in held], np.int64), columns, faulty=faulty)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of which each key stands once."""
    found = dict(pairs)
    if len(found) < len(pairs):
        first: dict[str, int] = {}
        twice = next(name for at, (name, _) in enumerate(pairs) if first.setdefault(name, at) != at)
        raise ValueError(f"its field {twice!r} is specified twice")
    return found
