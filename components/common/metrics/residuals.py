"""Errors of predicted numbers: how large they are, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Of the residuals that a report tells."""


@dataclass(frozen=True)
class Part:
    """The residuals of rows of about equal size."""

    low: float
    """Smallest value of these rows."""
    high: float
    """Largest."""
    rows: int
    error: float
    """Mean absolute error."""
    bias: float
    """Mean residual; above 0 the predictions are too high."""
    quantiles: tuple[float, ...]
    """Of the residuals, at QUANTILES."""


def residual_parts(sizes: np.ndarray, residual: np.ndarray, parts: int = 10) -> list[Part]:
    """Cuts rows by size into parts of about equally many rows; equal sizes stand in one part.

    Args:
        sizes: (rows,) the target's values, or the predicted ones.
        residual: (rows,) predicted minus true.
        parts: How many at most; fewer of few rows or of few sizes.
    """
    edges = np.unique(np.quantile(sizes, np.linspace(0, 1, max(min(parts, len(sizes) // 10), 1) + 1)))
    place = edges[1:-1].searchsorted(sizes, "right")
    found = []
    for at in np.unique(place):
        mine = residual[place == at]
        inside = sizes[place == at]
        found.append(
            Part(
                float(inside.min()),
                float(inside.max()),
                len(mine),
                float(np.abs(mine).mean()),
                float(mine.mean()),
                quantiles(mine),
            )
        )
    return found


def quantiles(residual: np.ndarray) -> tuple[float, ...]:
    """The residuals' quantiles, at QUANTILES."""
    return tuple(np.quantile(residual, QUANTILES).tolist())
