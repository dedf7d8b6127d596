"""What all charts share: nice ticks, short numbers, labels that fit, and the frame with its axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from components.common.reports import style
from components.common.reports.html import escape

Ticks = list[tuple[float, str]]


def drawing(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    """An `<svg>` of the given size whose accessible title is `title`."""
    # Without a largest width a gallery would blow small charts up, letters and all.
    size = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return (
        f'<svg class="chart" role="img" xmlns="http://www.w3.org/2000/svg" {size} '
        f'style="max-width:min(100%,{width * 1.3:g}px)"><title>{escape(title)}</title>' + "".join(parts) + "</svg>"
    )


def standalone(svg: str) -> str:
    """A chart as a file of its own: the colours, which a page else provides, go into it."""
    head, tail = svg.split("<title>", 1)
    return f"{head}<style>{style.THEME}{style.CHART}</style><title>{tail}\n"


def numbers(values: Any) -> np.ndarray:
    """Anything one-dimensional as floats, NaN where missing."""
    if hasattr(values, "to_numpy"):
        return values.to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(values, dtype=float).ravel()


def finite(values: Any) -> np.ndarray:
    """Anything one-dimensional as floats, without what is missing or infinite."""
    array = numbers(values)
    return array[np.isfinite(array)]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers within [low, high], 1, 2 or 5 times a power of ten apart."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    rough = span / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= rough * 0.67)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # A float far from zero may not resolve the step at all.
    return [index * step for index in range(first, last + 1)] if last - first <= 50 else [low, high]


def short(value: float) -> str:
    """A number for an axis: 0.05, 12k, 1.5M; no -0."""
    size = abs(value)
    if size < 1e4:
        return f"{value:.6g}" if size > 1e-12 else "0"
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if limit <= size < 1e12:
            return f"{value / limit:.6g}{unit}"
    return f"{value:.3g}"


def number_ticks(low: float, high: float, count: int = 5) -> Ticks:
    """Nice ticks with their labels."""
    return [(tick, short(tick)) for tick in ticks(low, high, count)]


def date_ticks(low: float, high: float, count: int = 5) -> Ticks:
    """Ticks on the first of a year or month, or on a day; positions are days since 1970-01-01."""
    span = high - low
    unit: Literal["Y", "M", "D"]
    if span > 365 * 2:
        unit, step, pattern = "Y", _step(span / 550 / count, (1, 2, 5, 10, 20, 50, 100, 200, 500)), 4
    elif span > 62:
        unit, step, pattern = "M", _step(span / 38 / count, (1, 2, 3, 6, 12)), 7
    else:
        unit, step, pattern = "D", _step(span / count, (1, 2, 7, 14, 31)), 10
    first, last = (
        np.datetime64(math.floor(edge), "D").astype(f"datetime64[{unit}]").astype(int) for edge in (low, high)
    )
    origin = 1970 if unit == "Y" else 0  # so that years are multiples of the step
    start = first - (first + origin) % step
    days = [np.datetime64(int(at), unit).astype("datetime64[D]") for at in range(start, last + 1, step)]
    return [(float(day.astype(int)), str(day)[:pattern]) for day in days if low <= day.astype(int) <= high] or [
        (low, str(np.datetime64(int(low), "D")))
    ]


def _step(rough: float, steps: Sequence[int]) -> int:
    return next((step for step in steps if step >= rough), steps[-1])


def text_width(label: str, size: float = 11) -> float:
    """About how many pixels a label takes, rather more than less; letters of East Asian scripts are wide."""
    return sum(0.95 if ord(letter) > 0x2E7F or letter in "mwMW<>@%&+=" else 0.6 for letter in label) * size


def fitted(label: Any, width: float, size: float = 11) -> str:
    """A label cut to a width, with an ellipsis where it was cut."""
    label = str(label)
    if text_width(label, size) <= width:
        return label
    while label and text_width(label, size) > width - 0.9 * size:
        label = label[:-1]
    return label.rstrip() + "…"


def write(x: float, y: float, label: Any, *, anchor: str = "start", kind: str = "", turn: float = 0) -> str:
    """A `<text>`; anchor is start, middle or end, turn its angle in degrees clockwise."""
    css = f' class="{kind}"' if kind else ""
    at = "" if anchor == "start" else f' text-anchor="{anchor}"'
    turned = f' transform="rotate({turn:g} {x:.1f} {y:.1f})"' if turn else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{at}{css}{turned}>{escape(label)}</text>'


def path(x: np.ndarray, y: np.ndarray) -> str:
    """The `d` of a line through points given in pixels."""
    return "M" + "L".join([f"{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True)])


@dataclass
class Frame:
    """A plot area inside a drawing, and the mapping from values to pixels."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    """Lowest and highest value on the horizontal axis."""
    y: tuple[float, float]
    """Lowest and highest value on the vertical axis."""
    parts: list[str] = field(default_factory=list)

    def across(self, value: Any) -> Any:
        """Values to pixels from the left."""
        low, high = self.x
        return self.left + (value - low) * (self.width / (high - low))

    def down(self, value: Any) -> Any:
        """Values to pixels from the top."""
        low, high = self.y
        return self.top + (high - value) * (self.height / (high - low))

    def axes(self, x_ticks: Ticks, y_ticks: Ticks, x_label: str = "", y_label: str = "", rules: bool = False) -> None:
        """Draws horizontal rules (and vertical ones if `rules`), tick labels and captions."""
        right, bottom = self.left + self.width, self.top + self.height
        lines = "".join(f"M{self.left:.1f} {self.down(at):.1f}H{right:.1f}" for at, _ in y_ticks)
        if rules:
            lines += "".join(f"M{self.across(at):.1f} {self.top:.1f}V{bottom:.1f}" for at, _ in x_ticks)
        self.parts.append(f'<path class="grid" d="{lines}"/>')
        self.parts.append(f'<path class="axis" d="M{self.left:.1f} {bottom:.1f}H{right:.1f}"/>')
        self.parts += [write(self.left - 6, self.down(at) + 3.5, label, anchor="end") for at, label in y_ticks]
        for at, label in x_ticks:
            half = text_width(label) / 2
            centre = min(max(self.across(at), half), right + 12 - half)
            self.parts.append(write(centre, bottom + 15, label, anchor="middle"))
        if x_label:
            label = fitted(x_label, self.width)
            self.parts.append(write(self.left + self.width / 2, bottom + 32, label, anchor="middle", kind="caption"))
        if y_label:
            x, y = 11.0, self.top + self.height / 2
            label = fitted(y_label, self.height)
            self.parts.append(write(x, y, label, anchor="middle", kind="caption", turn=-90))


def key(left: float, top: float, labels: Sequence[tuple[str, str]], width: float, *, step: float = 17) -> list[str]:
    """A legend: (CSS class, label) one under the other."""
    parts = []
    for at, (kind, label) in enumerate(labels):
        y = top + at * step
        shown = fitted(label, width - 16)
        hint = f"<title>{escape(label)}</title>" if shown != label else ""
        parts.append(
            f'<g>{hint}<rect x="{left:.1f}" y="{y:.1f}" width="10" height="10" rx="2.5" class="{kind}"/>'
            f"{write(left + 15, y + 9, shown)}</g>"
        )
    return parts


def widened(low: float, high: float, share: float = 0.04) -> tuple[float, float]:
    """A range with a margin; one that is a point becomes one around it."""
    if not high > low:
        pad = abs(low) * 0.5 or 0.5
        return low - pad, low + pad
    margin = (high - low) * share
    return low - margin, high + margin
