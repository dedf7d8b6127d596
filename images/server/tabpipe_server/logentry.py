"""One request as it is noted in the log, and as the process that writes the log is told of it."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tabpipe_server.models import Served

if TYPE_CHECKING:
    from components.common.inference import Answered


@dataclass(frozen=True, slots=True)
class Entry:
    """One request and its answer. Nothing of it may be changed after it was noted."""

    time: float
    """When the request came, in seconds since the epoch."""
    request_id: str
    key: str
    served: Served
    columns: Mapping[str, Any]
    rows: int
    answered: Answered
    ids: Sequence[Any] | None
    latency: float
    """Seconds."""
    shadow: bool
    texts: bool = False
    """Whether the values are the texts of a CSV."""
    size: int = 0
    """About how many bytes it takes; those of the request's body."""


def framed(document: Any) -> bytes:
    """A document for the child: its length, then its bytes.

    It is pickled, for that is the fastest way to pack values as they are. Only this process writes to that pipe.
    """
    data = pickle.dumps(document, protocol=5)
    return struct.pack("<I", len(data)) + data


def plain(entry: Entry) -> dict[str, Any]:
    """An entry without what the child need not know."""
    predictor, served, answered = entry.served.predictor, entry.served, entry.answered
    return {
        "time": entry.time,
        "request_id": entry.request_id,
        "key": entry.key,
        "model": served.name,
        "version": served.version,
        "role": served.role,
        "digest": served.digest,
        "shadow": entry.shadow,
        "latency": entry.latency,
        "rows": entry.rows,
        "ids": entry.ids,
        "texts": entry.texts,
        "columns": {name: entry.columns[name] for name in predictor.columns if name in entry.columns},
        "kept": answered.kept,
        "predicted": answered.predicted,
        "probabilities": answered.probabilities,
        "unknown": answered.unknown,
        "kinds": predictor.columns,
        "classes": predictor.classes,
        "choices": {name: predictor.choices.get(name) for name in answered.unknown} if entry.rows > 1 else {},
    }
