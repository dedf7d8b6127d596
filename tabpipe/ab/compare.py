"""Champion against challenger, by pairs of versions, each with an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from components.common.config.promote import sign_of
from components.common.metrics.bootstrap import affordable, percentile_interval
from tabpipe.ab.join import Joined
from tabpipe.ab.scores import class_order, score_of, whole

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 30
"""Request keys of each model that an interval is worked out of; of fewer a bootstrap says too little."""
_RESAMPLES = 2000
_MOST_CELLS = 2e8
"""Keys of all resamples together."""

Kind = Literal["paired", "split"]
Better = Literal["champion", "challenger", "neither", "too few"]


@dataclass(frozen=True)
class Side:
    """One model in a comparison."""

    version: str
    rows: int
    keys: int
    score: float


@dataclass(frozen=True)
class Comparison:
    """Two versions against each other."""

    kind: Kind
    """paired: both answered the same rows, one of them as a shadow. split: each answered its own request keys."""
    champion: Side
    challenger: Side
    since: str
    """Times of the first and the last of these rows, UTC."""
    until: str
    difference: float
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
            pairs: dict[Kind, tuple[pd.DataFrame, pd.DataFrame]]
            pairs = {"paired": _paired(one, other), "split": _split(one, other, own)}
            for kind, some in pairs.items():
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
    kind: Kind,
    one: pd.DataFrame,
    other: pd.DataFrame,
    metric: str,
    confidence: float,
    seed: int,
    orders: Mapping[str, list[str]],
) -> Comparison:
    scores, sides = [], []
    for rows in (one, other):
        keys, names = rows["key"].factorize()
        version = str(rows["version"].iloc[0])
        scores.append(score_of(metric, rows, keys, orders.get(version)))
        sides.append(Side(version, len(rows), len(names), whole(scores[-1], len(names))))
    times = [one["time"].min(), other["time"].min(), one["time"].max(), other["time"].max()]
    sign, keys = sign_of(metric), (sides[0].keys, sides[1].keys)
    difference = sign * (sides[1].score - sides[0].score)
    span, resamples = None, 0
    if min(keys) >= FEWEST:
        low, high, resamples = percentile_interval(
            scores[0],
            scores[1],
            keys,
            paired=kind == "paired",
            sign=sign,
            resamples=affordable(_RESAMPLES, sum(keys), _MOST_CELLS),
            confidence=confidence,
            seed=seed,
        )
        span = (low, high)
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
