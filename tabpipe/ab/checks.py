"""What may make a comparison wrong, whatever its interval says."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from tabpipe.ab.compare import Comparison
from tabpipe.ab.join import Joined

if TYPE_CHECKING:
    import pandas as pd

_CHANCE = 0.001
"""A split or a gap that chance makes more rarely is told: real faults are found, and few are told that are none."""


def warnings(joined: Joined, compared: list[Comparison], fraction: float | None) -> list[str]:
    """Sentences about what is odd in a log.

    Args:
        joined: Predictions with what turned out to be true.
        compared: The comparisons made of it.
        fraction: The share of request keys that the challenger was to answer, if it is known.
    """
    logged, found = joined.logged, []
    for one in compared:
        if one.kind == "split":
            found += _split(_between(logged, one), one, fraction)
            found += _coverage(_between(logged, one), one)
    for role in ("champion", "challenger"):
        versions = logged.loc[logged["role"] == role, "version"].unique().tolist()
        if len(versions) > 1:
            found.append(
                f"The {role} changed within this time ({', '.join(versions)}): each version is told by itself."
            )
    if joined.counts["outcomes_contradicting"]:
        number = joined.counts["outcomes_contradicting"]
        found.append(f"{number:,} ids came with different true values: the last one stands.")
    return found


def chance_of_split(challenger: int, both: int, fraction: float) -> float:
    """How rarely a split at least as far from the fraction comes by chance: chi-squared of one degree of freedom.

    Args:
        challenger: Keys of the challenger.
        both: Keys of both models.
        fraction: The challenger's share, above 0 and below 1.
    """
    expected = both * fraction
    squared = (challenger - expected) ** 2 * (1 / expected + 1 / (both - expected))
    return math.erfc(math.sqrt(squared / 2))


def _between(logged: pd.DataFrame, one: Comparison) -> pd.DataFrame:
    """What the two versions of a comparison answered themselves, in its time."""
    mine = (logged["role"] == "champion") & (logged["version"] == one.champion.version)
    theirs = (logged["role"] == "challenger") & (logged["version"] == one.challenger.version)
    some = logged[(mine | theirs) & ~logged["shadow"]]
    shared = some.groupby("role")["time"].agg(["min", "max"])
    return some[(some["time"] >= shared["min"].max()) & (some["time"] <= shared["max"].min())]


def _split(some: pd.DataFrame, one: Comparison, fraction: float | None) -> list[str]:
    keys = some.groupby("role")["key"].unique()
    champion, challenger = (set(keys.get(role, ())) for role in ("champion", "challenger"))
    names, found = f"{one.champion.version} and {one.challenger.version}", []
    if moved := len(champion & challenger):
        found.append(f"{moved:,} request keys were answered by both {names}: the fraction was changed meanwhile.")
    both = len(champion) + len(challenger)
    if fraction is not None and 0 < fraction < 1 and both:
        chance = chance_of_split(len(challenger), both, fraction)
        if chance < _CHANCE:
            share = f"{len(challenger):,} of {both:,} request keys ({len(challenger) / both:.1%})"
            found.append(
                f"Sample ratio: {share} went to the challenger {one.challenger.version}, where {fraction:.1%} were to; "
                f"chance alone does that in {chance:.1g} of cases. Find out why before the comparison is believed."
            )
    return found


def _coverage(some: pd.DataFrame, one: Comparison) -> list[str]:
    """Whether the outcomes of one model's predictions are known more often than the other's."""
    told = some.groupby("role")["known"].agg(["sum", "count"])
    if len(told) < 2:
        return []
    (seen, rows), (known, many) = told.loc["champion"], told.loc["challenger"]
    pooled = (seen + known) / (rows + many)
    if not 0 < pooled < 1:
        return []
    spread = math.sqrt(pooled * (1 - pooled) * (1 / rows + 1 / many))
    if math.erfc(abs(seen / rows - known / many) / spread / math.sqrt(2)) >= _CHANCE:
        return []
    return [
        f"Outcomes are known of {seen / rows:.1%} of the predictions of {one.champion.version}, and of "
        f"{known / many:.1%} of those of {one.challenger.version}: the rows that are compared may not be alike."
    ]
