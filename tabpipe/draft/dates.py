"""How the dates of a column are written."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from components.common.inference.arrow_values import parsed_dates
from tabpipe.draft.markers import is_marker, spellings
from tabpipe.draft.names import WORDS

_LOOKED_AT = 500
"""So many different texts of a column decide on its format."""
_TIMES, _NAMED = WORDS["dates"]["times"], WORDS["dates"]["named"]
_COMPACT = re.compile(r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])")
_SWAPPED = str.maketrans({"d": "m", "m": "d"})


@dataclass
class Dated:
    """How the dates of a column are written."""

    format: str | None
    """strptime format; None of ISO 8601."""
    marks: list[str] = field(default_factory=list)
    """Texts among them that stand for a missing date."""
    other: str | None = None
    """The format with day and month the other way round, where all of them fit it too."""

    @property
    def way(self) -> dict[str, Any]:
        """As `inference.values` takes it; without missing."""
        return {"format": self.format} if self.format else {}


def dated(counts: Mapping[str, int], in_order: Sequence[str]) -> Dated | None:
    """Tell how the dates of a column are written.

    Args:
        counts: Text to how often it stands there.
        in_order: Some of the texts as they follow each other in the table: of two formats the one that is wanted is
            the one that they are sorted by.

    Returns:
        The format; None where the texts are no dates.
    """
    texts = [text for text in counts if not is_marker(text)]
    marks = spellings(filter(is_marker, counts))
    step = max(1, len(texts) // _LOOKED_AT)
    some = [text.strip() for text in texts[::step][:_LOOKED_AT]]
    if not some or not all(6 <= len(text) <= 40 and re.search("[0-9]", text) for text in some):
        return None
    if _fit(some, None) and not all(text.isdigit() for text in some):
        return Dated(None, marks)
    for form in _formats(some[0]):
        if not _fit(some, form):
            continue
        swapped = form.translate(_SWAPPED) if re.match("%[dm].%[dm]", form) else None
        if swapped is None or not _fit(some, swapped):
            return Dated(form, marks)
        forms = [form, swapped] if _rising(in_order, form) >= _rising(in_order, swapped) else [swapped, form]
        return Dated(forms[0], marks, forms[1])
    return None


def compact(numbers: Sequence[str]) -> bool:
    """Whether whole numbers are days, written like 20240531."""
    return len(set(numbers)) >= 5 and all(_COMPACT.fullmatch(text) for text in numbers)


def _fit(texts: Sequence[str], form: str | None) -> bool:
    import pyarrow as pa

    return all(parsed_dates(pa.array(part, pa.string()), form) is not None for part in (texts[:1], texts))


def _formats(text: str) -> list[str]:
    """The formats that may fit a text, the likelier ones of two that both fit first."""
    if re.search("[A-Za-z]{3}", text.replace("UTC", "")):
        days: Sequence[str] = _NAMED
    else:
        mark = next((mark for mark in "/.-" if mark in text), "")
        if not mark:
            return ["%Y%m%d", "%Y%m%d%H%M%S"]
        parts = ["m", "d"] if mark == "/" else ["d", "m"]
        orders = [f"{first} {second} {year}" for year in "Yy" for first, second in (parts, parts[::-1])]
        orders = ["Y m d", "Y m", *orders, "m Y", "y m d"]
        days = [mark.join(f"%{part}" for part in order.split()) for order in orders]
    timed = [time for time in _TIMES if bool(time) == (":" in text) and ("%p" in time) == text.upper().endswith("M")]
    return [day + time for day, time in product(days, timed or [""])]


def _rising(texts: Sequence[str], form: str) -> float:
    """The share of steps from a text to the next that do not go back in time, or not on, whichever is more."""
    import pyarrow as pa

    found = parsed_dates(pa.array([text.strip() for text in texts if not is_marker(text)], pa.string()), form)
    if found is None:
        return 0.0
    steps = np.diff(found.cast(pa.int64()).to_numpy())
    return float(max((steps >= 0).mean(), (steps <= 0).mean())) if len(steps) else 0.0
