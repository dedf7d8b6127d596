"""Reading what a server has logged: predictions, one a row, in parquet files by model and day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal, nearest
from components.common.base.redact import redact
from components.common.storage.backend import Place

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("time", "request_id", "row", "id", "key", "version", "role", "shadow"),
    *("prediction", "value", "probabilities"),
)
"""Columns of the log that a report reads. The inputs are left where they are."""
_AT_ONCE = 64
"""Files read before they are put together: a server writes one every few seconds."""
_CLASSES = b"tabpipe.classes"
"""In a file's metadata: the classes in the order of the probabilities."""


def opened(url: str) -> Place:
    """The place of a log.

    Args:
        url: A folder, or s3://bucket/prefix with its keys in AWS_*.

    Raises:
        Refusal: It is neither.
    """
    from pathlib import Path

    scheme, separator, rest = url.partition("://")
    if not separator or scheme == "file":
        from components.common.storage.folder_backend import FolderPlace

        return FolderPlace(Path(rest if separator else url).expanduser().absolute())
    bucket, _, prefix = rest.rpartition("@")[2].partition("/")
    if scheme != "s3" or not bucket:
        raise Refusal("this is no place of a log", where=redact(url), rule="a folder, or s3://bucket/prefix")
    from components.common.storage.s3_backend import BucketPlace

    return BucketPlace(bucket, prefix.strip("/"))


def read_log(
    place: Place,
    name: str,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[str], None] = lambda words: None,
) -> pd.DataFrame:
    """Reads the predictions of a model.

    Args:
        place: Where the log is.
        name: The model.
        since: The first moment that counts, with its time zone.
        until: The first moment that does not.
        progress: Is told what is done.

    Returns:
        The columns `COLUMNS` and `classes` (in the order of the probabilities; None of numbers), in the order of time.

    Raises:
        Refusal: There is no log of this model, none of this time, or a file is none.
    """
    import pandas as pd

    keys = sorted(found.key for found in place.keys(f"{name}/") if _wanted(found.key, since, until))
    if not keys:
        _refuse_empty(place, name)
    parts = []
    for first in range(0, len(keys), _AT_ONCE):
        if first:
            progress(f"{first} of {len(keys)} files of the log read")
        some = keys[first : first + _AT_ONCE]
        for key, data in zip(some, place.read_many(some), strict=True):
            if data is not None:  # deleted in between
                parts.append(_table(data, place.where(key)))
    if not parts:
        _refuse_empty(place, name)
    frame = pd.concat(parts, ignore_index=True)
    if since is not None:
        frame = frame[frame["time"] >= since]
    if until is not None:
        frame = frame[frame["time"] < until]
    if frame.empty:
        raise Refusal("nothing was predicted in this time", where=place.where(name))
    return frame.sort_values(["time", "request_id", "row"], kind="stable", ignore_index=True)


def _wanted(key: str, since: datetime | None, until: datetime | None) -> bool:
    """Whether a file may hold rows of the time that is asked for; all of its rows are of its day, in UTC."""
    *_, folder, name = ["", *key.split("/")]
    if not name.endswith(".parquet") or name.startswith("."):
        return False
    try:
        day = date.fromisoformat(folder.removeprefix("date="))
    except ValueError:
        return True
    early = since is not None and day < since.astimezone(UTC).date()
    late = until is not None and day > until.astimezone(UTC).date()
    return not (early or late)


def _refuse_empty(place: Place, name: str) -> None:
    names = place.folders("")
    if not names:
        raise Refusal(
            "no predictions are logged here",
            where=place.shown,
            mend="start the server with TABPIPE_SERVE_LOG, or name the place by --log",
        )
    if name not in names:
        raise Refusal(f"there is no log of {name!r}", where=place.shown, mend=nearest(name, names))
    raise Refusal("nothing was predicted in this time", where=place.where(name))


def _table(data: bytes, where: str) -> pd.DataFrame:
    import json

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(pa.BufferReader(data)) as file:
            missing = [column for column in COLUMNS if column not in file.schema_arrow.names]
            if missing:
                raise Refusal("this is no log of predictions", where=where, rule=f"it has a column {missing[0]}")
            noted = json.loads((file.schema_arrow.metadata or {}).get(_CLASSES, b"null"))
            classes = None if noted is None else tuple(noted)
            frame = file.read(columns=list(COLUMNS)).to_pandas()
            return frame.assign(classes=pd.Series([classes] * len(frame), index=frame.index, dtype=object))
    except (pa.ArrowInvalid, OSError) as error:
        raise Refusal(
            f"not a readable parquet file ({error})", where=where, mend="delete it if it is damaged"
        ) from None


@contextmanager
def cluster_log(name: str) -> Iterator[Place]:
    """The place of the log on the cluster that KUBECONFIG points at, while the block runs.

    Args:
        name: The folder in its bucket.
    """
    from components.common.artifacts.opening import VARIABLE
    from components.common.storage.s3_backend import BucketPlace
    from tabpipe.cluster.client import connect
    from tabpipe.cluster.store import BUCKET, reached_store

    with reached_store(connect()) as store:
        own = {
            "endpoint_url": store[f"{VARIABLE}_ENDPOINT_URL"],
            "aws_access_key_id": store[f"{VARIABLE}_ACCESS_KEY_ID"],
            "aws_secret_access_key": store[f"{VARIABLE}_SECRET_ACCESS_KEY"],
            "region_name": store[f"{VARIABLE}_REGION"],
        }
        yield BucketPlace(BUCKET, name, own)
