"""What came of a batch: how many rows were answered, with what, and why others were refused."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, shorten

if TYPE_CHECKING:
    from components.common.inference import Answered

_SAMPLE = 20_000
_REASONS = 1000
"""Reasons that are counted apart; rules name columns and kinds, so there are few."""


@dataclass
class Tally:
    """Counts of a batch, of a size that does not depend on that of the table."""

    answered: int = 0
    refused: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    """Predicted class to rows; nothing of a regressor."""
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(column, rule) to refused rows."""
    examples: dict[tuple[str, str], tuple[int, Any]] = field(default_factory=dict)
    """(column, rule) to row and value of the first row that was refused for it."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Categorical column to values that training did not know."""
    strange: dict[str, str] = field(default_factory=dict)
    """Categorical column to the first such value."""
    given: Counter[str] = field(default_factory=Counter)
    """Column of the model to values that are there."""
    looked: int = 0
    """Rows of which values were counted."""
    dropped: dict[str, int] = field(default_factory=dict)
    """Column of JSON lines that the first rows do not have, to the first row that has it; it is not in the output."""
    values: list[float] = field(default_factory=list)
    """Predicted numbers, a sample evenly spread over the rows; nothing of a classifier."""
    low: float = math.inf
    high: float = -math.inf
    total: float = 0.0
    _every: int = 1

    @property
    def rows(self) -> int:
        """Rows of the table."""
        return self.answered + self.refused

    def answers(self, answered: Answered) -> None:
        """Counts answered rows."""
        before, predicted = self.answered, answered.predicted
        self.answered += len(predicted)
        self.unknown.update({name: count for name, count in answered.unknown.items() if count})
        self.given.update(answered.given)
        self.looked += answered.looked
        for name, value in answered.strange.items():
            self.strange.setdefault(name, value)
        if predicted.dtype.kind != "f":
            self.classes.update(predicted.tolist())
        elif len(predicted):
            self.low, self.high = min(self.low, float(predicted.min())), max(self.high, float(predicted.max()))
            self.total += float(predicted.sum())
            self.values += predicted[-before % self._every :: self._every].tolist()
            while len(self.values) > _SAMPLE:
                self.values, self._every = self.values[::2], self._every * 2

    def refusal(self, row: int, column: str, value: Any, rule: str) -> None:
        """Counts a refused row."""
        self.refused += 1
        reason = (column, rule)
        if reason not in self.reasons and len(self.reasons) >= _REASONS:
            reason = ("", "other reasons")
        self.reasons[reason] += 1
        self.examples.setdefault(reason, (row, value if value is None else shorten(value)))

    def missing(self, complete: Iterable[str]) -> dict[str, int]:
        """Of columns that training never missed, those that some rows miss, and how many."""
        return {name: count for name in complete if (count := self.looked - self.given[name])}

    def document(self, complete: Iterable[str] = ()) -> dict[str, Any]:
        """As JSON shows it.

        Args:
            complete: The columns that training never missed.
        """
        found: dict[str, Any] = {"rows": self.rows, "answered": self.answered, "refused": self.refused}
        if self.classes:
            found["classes"] = dict(self.classes.most_common())
        elif self.answered:
            found["values"] = {"min": self.low, "mean": self.total / self.answered, "max": self.high}
        found["unknown"] = dict(self.unknown)
        found["missing"] = self.missing(complete)
        found["reasons"] = [
            {
                "column": column,
                "rule": rule,
                "rows": count,
                "first_row": self.examples[column, rule][0],
                "value": self.examples[column, rule][1],
            }
            for (column, rule), count in self.reasons.most_common()
        ]
        return found


def most_rows(text: str, option: str) -> tuple[str, float]:
    """Reads a number of rows, or a share of them: `100` or `2.5%`.

    Returns:
        `rows` or `share`, and the number.

    Raises:
        Refusal: It is neither.
    """
    share = text.strip().endswith("%")
    try:
        number = float(text.strip().removesuffix("%"))
        if number >= 0 and math.isfinite(number) and (number <= 100 if share else number == int(number)):
            return ("share", number / 100) if share else ("rows", number)
    except ValueError:
        pass
    raise Refusal("not a number of rows", where=option, value=text, rule="a number, or a share such as 1%")


def percentage(part: int, whole: int) -> str:
    """A share for people: never 0 % of something, nor 100 % of less than all."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    return f"{min(max(share, 0.01), 99.99):.2g} %" if 0 < part < whole and not 1 <= share <= 99 else f"{share:.3g} %"
