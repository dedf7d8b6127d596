"""What every step does around its logic: its record, the words of its refusals, its outputs stamped and published."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from components.common.base.errors import Refusal, no_space
from components.common.config.overlay import settings_of
from components.common.tracking.mlflow_log import keep
from components.common.tracking.publish import publish_here
from components.common.tracking.record import Record

REFUSED = "tabpipe-refused: "
"""A line of a step's log that starts with this holds its refusal as a JSON object with `message`."""
PROGRESS = "tabpipe-progress: "
"""A line of a step's log that starts with this says how far the step is."""


@contextmanager
def step(name: str, section: str | dict[str, Any], defaults: str = "{}") -> Iterator[tuple[dict[str, Any], Record]]:
    """Runs a step's body with its settings and a tracking record that is written when the body ends, well or not.

    A `Refusal` ends the process with exit code 1 after its message, without a stack trace; so do a full disk and
    exhausted memory. Any other exception passes through.

    Args:
        name: The step's name.
        section: The step's section as JSON, or the part of it that differs from the defaults.
        defaults: The whole section that the pipeline was compiled with, as JSON.

    Yields:
        The settings, which are logged as parameters, and the record to note inputs, metrics and files in.
    """
    record = Record(name=name, started=time.time())
    try:
        settings = settings_of(section, defaults)
        record.params(settings)
        yield settings, record
        record.status = "FINISHED"
    except Refusal as refusal:
        _refuse(record, str(refusal))
    except MemoryError:
        _refuse(record, f"{name}: out of memory\n  mend:  give the step more memory, or use a smaller table")
    except OSError as error:
        message = no_space(error)
        if message is None:
            raise
        _refuse(record, f"{name}: {message}")
    finally:
        record.ended = time.time()
        publish_here(record)
        try:
            keep(record)
        except Refusal as refusal:
            _refuse(record, str(refusal))


def _refuse(record: Record, message: str) -> None:
    record.tags["tabpipe.refused"] = message
    print(REFUSED + json.dumps({"message": message}), flush=True)
    raise SystemExit(1)


def progress(text: str) -> None:
    """Says how far a long step is, for instance `120 of 480 MB`."""
    print(PROGRESS + text, flush=True)


def stamp(artifact: Any, **more: Any) -> dict[str, Any]:
    """Puts what identifies a table into its artifact's metadata.

    Args:
        artifact: A kfp Dataset whose file is written.
        more: Further entries. None of them may depend on the time or the machine: metadata is part of the cache
            keys of later steps.

    Returns:
        The metadata: rows, columns, digest (SHA-256 of the file) and the further entries.
    """
    import pyarrow.parquet as pq

    from components.common.base.files import file_digest

    shape = pq.read_metadata(artifact.path)
    artifact.metadata.update(rows=shape.num_rows, columns=shape.num_columns, digest=file_digest(artifact.path), **more)
    return artifact.metadata


def came_from(artifact: Any) -> dict[str, str]:
    """What later artifacts take over of a table's metadata: `origin`, the source that its rows were read from.

    The key is not `source`: by that lineage knows the table that was read itself.
    """
    origin = artifact.metadata.get("origin") or artifact.metadata.get("source")
    return {"origin": str(origin)} if origin else {}


def facts_of(artifact: Any) -> dict[str, str]:
    """What the head of a page tells of a table: how many rows were kept, why no more, and how they were split.

    Not its source: made again of a copy of it, the page is the same.
    """
    from components.common.config.segregate import SplitRule

    facts = {}
    if read := artifact.metadata.get("rows_read"):
        removed = artifact.metadata.get("removed")
        kept = f"{int(artifact.metadata['rows']):,} of {int(read):,} kept"
        facts["rows"] = f"{kept}; removed: {removed}" if removed else kept
    if split := artifact.metadata.get("split"):
        facts["split"] = str(SplitRule.model_validate_json(split))
    return facts
