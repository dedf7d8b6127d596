"""What a step has made, put among the artifacts: named, versioned by content, with what it was made from and by."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.common.artifacts.naming import artifact_name
from components.common.artifacts.opening import VARIABLE as ARTIFACTS
from components.common.tracking.record import KFP_RUN, SPOOL, Record

if TYPE_CHECKING:
    from components.common.artifacts import Store, Version

USE_CASE, IMAGE = "TABPIPE_USE_CASE", "TABPIPE_IMAGE"
"""Variables of a compiled pipeline's steps: the use case's name, the image that the step runs in."""


def publish(store: Store, use_case: str, record: Record, made_by: Mapping[str, str]) -> list[Version]:
    """Puts the outputs of a step that ended well into a store.

    Args:
        store: Where to.
        use_case: What the names begin with.
        record: What the step has told of itself.
        made_by: Of run, commit and image what is known.

    Returns:
        Their versions; equal bytes make no new one.

    Raises:
        Refusal: The store cannot be used.
    """
    inputs = [item["full"] for item in record.inputs if item.get("full")]
    return [
        store.put(
            artifact_name(use_case, record.name, output["name"]),
            output["path"],
            metadata=worth_keeping(output["metadata"]),
            inputs=inputs,
            made_by={**made_by, "step": record.name, "use_case": use_case},
        )
        for output in record.outputs
        if record.status == "FINISHED"
    ]


def publish_here(record: Record) -> None:
    """Puts what a step has made among the artifacts, where the step itself is to do so, as on a cluster.

    That is where TABPIPE_ARTIFACTS names a store and TABPIPE_USE_CASE what the names begin with, and no engine does it
    out of the spool. A failure never fails a step: it is a line in the log.
    """
    use_case = os.environ.get(USE_CASE)
    if not (use_case and os.environ.get(ARTIFACTS)) or os.environ.get(SPOOL):
        return
    known = {"run": os.environ.get(KFP_RUN), "image": os.environ.get(IMAGE)}
    try:
        if record.status == "FINISHED" and record.outputs:
            from components.common.artifacts import open_store

            publish(open_store(), use_case, record, {key: value for key, value in known.items() if value})
    except Exception as error:
        told = "; ".join(line.strip() for line in str(error).splitlines()) or type(error).__name__
        print(f"what {record.name} has made is not among the artifacts: {told}", flush=True)


def worth_keeping(values: Mapping[str, Any]) -> dict[str, Any]:
    """What is worth keeping of an artifact's metadata: all but what the store knows by itself."""
    return {key: value for key, value in values.items() if key not in ("digest", "display_name")}
