"""The mark that a store carries: that it is one, of which format, and that its place keeps its promise."""

from __future__ import annotations

import os
import uuid

from components.common.artifacts.version import decoded, encoded, now
from components.common.base.errors import Refusal
from components.common.storage.backend import Place

FORMAT = 1
_KEY = "store.json"


def check_format(place: Place) -> None:
    """Sees to it that a place can be written to as a store; marks it where it is new.

    Raises:
        Refusal: It is of another format, or its server overwrites what it was asked not to.
    """
    data = place.read(_KEY)
    if data is None:
        mark = encoded({"format": FORMAT, "made": now(), "id": f"{os.getpid()}-{uuid.uuid4().hex}"})
        # The second try must fail: on this all else rests.
        if place.create(_KEY, mark) and place.create(_KEY, mark + b"\n"):
            raise Refusal(
                "this object store overwrites what it was asked not to, so that versions would get lost",
                where=place.shown,
                rule="it must heed If-None-Match: *, as AWS S3, MinIO and Ceph do",
                mend="take a newer release of it, or another store",
            )
        data = place.read(_KEY) or mark
    found = decoded(data, place.where(_KEY))
    form = found.get("format") if isinstance(found, dict) else None
    if form != FORMAT:
        raise Refusal(
            "this artifact store is of another format",
            where=place.shown,
            value=form,
            rule=f"this tabpipe writes format {FORMAT}",
            mend="use the tabpipe that made it, or another store",
        )
