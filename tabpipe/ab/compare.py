"""Champion against challenger, by pairs of versions, each with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from tabpipe.ab.join import Joined
from tabpipe.ab.scores import LOWER, Tally, class_order, tally

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 30
"""Request keys of each model that an interval is worked out of; of fewer a bootstrap says too little."""
_RESAMPLES = 2000
_LEAST = 200
_CELLS = 1 << 18
_MOST_CELLS = 2e8

Better = Literal["champion", "challenger", "neither", "too few"]


@dataclass(frozen=True)
class Side:
    """One model in a comparison."""

    version: str
    rows: int
    keys: int
    score: float | None


@dataclass(frozen=True)
class Comparison:
    """Two versions against each other."""

    kind: Literal["paired", "split"]
    """paired: both answered the same rows, one of them as a shadow. split: each answered its own request keys."""
    champion: Side
    challenger: Side
    since: str
    """Times of the first and the last of these rows, UTC."""
    until: str
    difference: float | None
    """Of the metric; above 0 where the challenger is better, whichever way the metric goes."""
    interval: tuple[float, float] | None
    """Of the difference."""
    resamples: int
    better: Better

    @property
    def times_more(self) -> float | None:
        """How many times as much traffic it would take to tell a difference as large as this one from none."""
        if self.better != "neither" or not self.difference or not self.interval:
            return None
        return max(((self.interval[1] - self.interval[0]) / 2 / self.difference) ** 2, 1.0)


def compare(joined: Joined, metric: str, confidence: float, seed: int) -> list[Comparison]:
    """Compares each champion with each challenger, the newest pair first.

    Of pairs of versions that have rows of both kinds, paired comes first: what is hard for both cancels out.

    Args:
        joined: Predictions with what turned out to be true.
        metric: The score.
        confidence: Of the intervals.
        seed: Of the resamples.
    """
    rows, logged = joined.rows, joined.logged
    orders: dict[str, list[str]] = {}
    if metric == "log_loss":
        orders = {version: class_order(some, version) for version, some in rows.groupby("version")}
    own = logged[~logged["shadow"]].groupby(["role", "version"])["time"].agg(["min", "max"])
    sides = dict(iter(rows.groupby(["role", "version"])))
    found = []
    for (role, mine), one in sides.items():
        for (other_role, theirs), other in sides.items():
            if (role, other_role) != ("champion", "challenger") or mine == theirs:
                continue
            for kind, some in (("paired", _paired(one, other)), ("split", _split(one, other, own))):
                if len(some[0]) and len(some[1]):
                    found.append(_compared(kind, *some, metric, confidence, seed, orders))
    return sorted(found, key=lambda told: (told.until, told.kind == "paired"), reverse=True)


def _split(one: pd.DataFrame, other: pd.DataFrame, own: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows that each answered itself, from the time in which both did."""
    one, other = one[~one["shadow"]], other[~other["shadow"]]
    if one.empty or other.empty:
        return one, other
    spans = own.loc[[("champion", one["version"].iloc[0]), ("challenger", other["version"].iloc[0])]]
    since, until = spans["min"].max(), spans["max"].min()
    return tuple(side[(side["time"] >= since) & (side["time"] <= until)] for side in (one, other))


def _paired(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of requests that both answered, in the same order; one of the two as a shadow."""
    place = ["request_id", "row", "id"]
    one, other = (side.drop_duplicates(place, keep="last").set_index(place) for side in (one, other))
    shared = one.index.intersection(other.index)
    one, other = one.loc[shared].reset_index(), other.loc[shared].reset_index()
    shadowed = (one["shadow"] != other["shadow"]).to_numpy()
    return one[shadowed], other[shadowed]


def _compared(
    kind: Literal["paired", "split"],
    one: pd.DataFrame,
    other: pd.DataFrame,
    metric: str,
    confidence: float,
    seed: int,
    orders: Mapping[str, list[str]],
) -> Comparison:
    tallies, sides = [], []
    for rows in (one, other):
        keys, names = rows["key"].factorize()
        version = str(rows["version"].iloc[0])
        found = tally(metric, rows, keys, len(names), orders.get(version))
        tallies.append(found)
        sides.append(Side(version, len(rows), len(names), found.whole()))
    times = [one["time"].min(), other["time"].min(), one["time"].max(), other["time"].max()]
    sign = -1 if metric in LOWER else 1
    difference = sign * (sides[1].score - sides[0].score)
    span, resamples = None, 0
    if min(side.keys for side in sides) >= FEWEST:
        span, resamples = interval(tallies[0], tallies[1], kind == "paired", sign, confidence, seed)
    return Comparison(
        kind=kind,
        champion=sides[0],
        challenger=sides[1],
        since=str(min(times))[:19],
        until=str(max(times))[:19],
        difference=difference,
        interval=span,
        resamples=resamples,
        better=_better(span),
    )


def _better(span: tuple[float, float] | None) -> Better:
    if span is None:
        return "too few"
    if span[0] > 0:
        return "challenger"
    return "champion" if span[1] < 0 else "neither"


def interval(
    one: Tally, other: Tally, paired: bool, sign: int, confidence: float, seed: int
) -> tuple[tuple[float, float], int]:
    """The percentile interval of the difference, by a bootstrap of request keys.

    Rows of one key hang together: a customer with many rows is drawn as a whole.

    Args:
        one: The champion's rows.
        other: The challenger's.
        paired: Whether both are of the same rows by the same keys, and so scored on the same draws.
        sign: -1 where less of the metric is better.
        confidence: Of the interval.
        seed: Of the draws.

    Returns:
        Its ends, above 0 where the challenger is better, and the number of resamples.
    """
    random = np.random.default_rng(seed)
    keys = (one.parts.shape[0], other.parts.shape[0])
    resamples = min(_RESAMPLES, max(_LEAST, int(_MOST_CELLS // sum(keys))))
    at_once = max(_CELLS // max(keys), 1)
    parts = []
    for first in range(0, resamples, at_once):
        count = min(at_once, resamples - first)
        drawn = _counts(random, keys[0], count)
        former = one.resampled(drawn)
        parts.append(other.resampled(drawn if paired else _counts(random, keys[1], count)) - former)
    differences = sign * np.concatenate(parts)
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(differences, [tail, 1 - tail]).tolist()
    return (low, high), resamples


def _counts(random: np.random.Generator, keys: int, resamples: int) -> np.ndarray:
    """(keys, resamples) how often each key was drawn."""
    drawn = random.integers(0, keys, size=(keys, resamples), dtype=np.int64) * resamples + np.arange(resamples)
    return np.bincount(drawn.ravel(), minlength=keys * resamples).reshape(keys, resamples).astype(float)
