"""The rows of JSON lines, one object per line, with the type that each value has."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.inference.coerce import ABSENT
from components.common.tables.chunk import Chunk, Faulty

LONGEST = 64 << 20
"""Bytes of a line."""
_TOGETHER = 16 << 20
"""Bytes of lines that are held at once."""
_RULE = 'one JSON object per line, such as {"size": 1.5, "kind": "a"}'


def jsonl_chunks(stream: io.BufferedReader, where: str, rows: int) -> Iterator[Chunk]:
    """The rows as Python values, `ABSENT` where an object lacks a key.

    A line that is no JSON object is handed on as faulty; empty lines are passed over.

    Args:
        stream: At its start.
        where: What to call the table in a refusal.
        rows: Most rows of a chunk.

    Raises:
        Refusal: It is one JSON array, or a line is too long.
    """
    if stream.peek(1)[:1] == b"[":
        raise Refusal(
            "this is one JSON array",
            where=where,
            rule="JSON lines have one object per line",
            mend="write it with one object per line, for instance by `jq -c '.[]'`",
        )
    number, size = 0, 0
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    faulty: list[Faulty] = []
    while line := stream.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise Refusal(f"row {number + 1} is longer than {LONGEST >> 20} MB", where=where, rule=_RULE)
        if not line.strip():
            continue
        number += 1
        size += len(line)
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            record = None
        if isinstance(record, dict):
            records.append(record)
            numbers.append(number)
        else:
            faulty.append(Faulty(number, line.decode(errors="replace").strip(), _RULE))
        if len(records) + len(faulty) >= rows or size >= _TOGETHER:
            yield _chunk(records, numbers, faulty)
            records, numbers, faulty, size = [], [], [], 0
    if records or faulty:
        yield _chunk(records, numbers, faulty)


def _chunk(records: list[dict[str, Any]], numbers: list[int], faulty: list[Faulty]) -> Chunk:
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [record.get(name, ABSENT) for record in records] for name in names}
    return Chunk(np.array(numbers, np.int64), columns, faulty=faulty)
