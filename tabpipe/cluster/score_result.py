"""What a run of the pipeline score made of its table, told by what Kubeflow keeps of the step predict."""

from __future__ import annotations

from dataclasses import dataclass

from components.common.base.errors import Refusal
from tabpipe.cluster.client import Cluster
from tabpipe.cluster.metadata import Made, made_by

_STEP = "predict"
_DIGITS = 12
"""Of a digest, in a command."""


@dataclass(frozen=True)
class Scored:
    """What the step predict did, now or when the cache kept it."""

    rows: int
    answered: int
    refused: int
    model: str
    """The version that answered."""
    predictions: str
    """The table's digest, by which it is among the artifacts."""
    rejects: str


def scored_of(cluster: Cluster, run_id: str) -> Scored | None:
    """What a run answered; None where the step predict made nothing, or Kubeflow's metadata cannot be had.

    Args:
        cluster: Where the run was.
        run_id: Kubeflow's id of the run.
    """
    try:
        return scored_by(made_by(cluster, run_id))
    except Refusal:  # an extra: the run has ended as it has without it
        return None


def scored_by(made: list[Made]) -> Scored | None:
    """The same of a run's outputs."""
    of_step = {one.name: one.metadata for one in made if one.step == _STEP}
    try:
        rows, answered, refused = (int(of_step["metrics"][name]) for name in ("rows", "answered", "refused"))
        predictions, rejects = (of_step[name]["digest"] for name in ("predictions", "rejects"))
        return Scored(rows, answered, refused, of_step["predictions"]["model"], predictions, rejects)
    except KeyError:
        return None


def lines(scored: Scored, name: str) -> list[str]:
    """What people are told of it.

    Args:
        scored: What there is to tell.
        name: What the pipeline is called, and its tables after it.
    """

    def fetched(table: str, digest: str) -> str:
        return f"tabpipe artifacts get {name}.{table}:{digest[:_DIGITS]} {table}.parquet --cluster"

    told = ["", f"  {scored.answered:,} of {scored.rows:,} rows answered by {scored.model}"]
    if scored.refused:
        told.append(f"  {scored.refused:,} refused: {fetched('rejects', scored.rejects)}")
    return [*told, f"  table    {fetched('predictions', scored.predictions)}"]
