"""Numbers as people write them: 15,763 and 0.9556, not 1.576e+04 and 0.9555555."""

from __future__ import annotations

import math
from typing import Any

ROUNDING = 1e-12
"""Of a difference of two floats: 0.96 - 0.95 is a little more than 0.01."""


def written(value: Any, digits: int = 4, zeros: bool = False) -> str:
    """A number as people read it; anything else as text.

    Thousands stand apart. Of a fraction there are as many significant digits as asked for, below 1 as many decimals;
    where those would hide most of it, its first two digits.

    Args:
        value: A number; None and NaN are a dash.
        digits: Of a fraction. Whole digits are never rounded away.
        zeros: Whether a fraction keeps its last zeros, and has so many decimals up to 10, as in a column of scores:
            0.9500, 1.1915.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "–"
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        return str(value)
    number = float(value)
    size = abs(number)
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    if size >= 1e15:
        return f"{number:.{digits}g}"
    if size == 0 or (number.is_integer() and not (zeros and size < 10)):
        return f"{int(number):,}"
    if size < 5 * 10 ** -float(digits):
        return f"{number:.2g}" if size < 1e-6 else f"{number:.{1 - math.floor(math.log10(size))}f}".rstrip("0")
    decimals = digits if size < (10 if zeros else 1) else max(digits - 1 - math.floor(math.log10(size)), 0)
    text = f"{number:,.{decimals}f}"
    return text if zeros or "." not in text else text.rstrip("0").rstrip(".")


def signed(value: float, digits: int = 4, zeros: bool = True) -> str:
    """A difference as people read it: `written`, with its sign; what only rounding makes different is 0."""
    if abs(value) < ROUNDING:
        return "0"
    return f"+{written(value, digits, zeros)}" if value > 0 else written(value, digits, zeros)


def score(value: float | None) -> str:
    """A score as people read it: `written`, with its last zeros, so that a column of scores stands in line."""
    return written(value, zeros=True)
