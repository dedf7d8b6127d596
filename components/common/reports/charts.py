"""Charts as inline SVG: a few milliseconds each, where importing a drawing library alone takes most of a second.

Colours are CSS classes of reports.style, so that one chart suits light and dark pages; `svg.standalone`
makes a file of its own of a chart. Missing and infinite values are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from components.common.base.numbers import written
from components.common.reports.html import escape
from components.common.reports.svg import (
    Frame,
    date_ticks,
    drawing,
    finite,
    fitted,
    number_ticks,
    numbers,
    path,
    short,
    text_width,
    ticks,
    widened,
    write,
)
from components.common.reports.xy_charts import lines, scatter

__all__ = ["bars", "heatmap", "histogram", "lines", "scatter", "timeline"]


def histogram(
    values: Any, reference: Any = None, *, bins: int = 30, label: str = "", width: float = 320, height: float = 150
) -> str:
    """How numbers are spread, as shares of the rows per bin, beside a reference as a stepped outline.

    Both use the same bins. Whole numbers of few values get a bin each. Where a few far values would squeeze all others
    into one bin, the outermost bins take them, and the axis says so.

    Args:
        values: Numbers.
        reference: Numbers to compare with, if there are some.
        bins: Number of bins.
        label: The column, said to those who cannot see the chart.
        width: Pixels.
        height: Pixels.
    """
    present, past = finite(values), finite(reference) if reference is not None else np.zeros(0)
    low, high, bins, cut = _bins(present, past, bins)
    words = f"distribution of {label}" if label else "distribution"
    return _spread(present, past, low, high, bins, number_ticks, words, width, height, cut)


def timeline(
    dates: Any, reference: Any = None, *, bins: int = 40, label: str = "", width: float = 320, height: float = 150
) -> str:
    """How dates are spread over time, drawn as `histogram` does.

    Args:
        dates: datetime64 or anything NumPy turns into it.
        reference: Dates to compare with, if there are some.
        bins: Number of bins.
        label: The column, said to those who cannot see the chart.
        width: Pixels.
        height: Pixels.
    """
    present, past = _days(dates), _days(reference) if reference is not None else np.zeros(0)
    every = np.concatenate([present, past])
    low, high = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    if high <= low:
        low, high = low - 1, low + 1
    words = f"{label} over time" if label else "over time"
    return _spread(present, past, low, high, bins, date_ticks, words, width, height, (False, False))


def bars(
    names: Sequence[Any],
    values: Sequence[float],
    *,
    reference: Sequence[float] | None = None,
    width: float = 480,
    format: Callable[[float], str] = written,
    label: str = "",
) -> str:
    """Horizontal bars, for instance feature importance or class counts, in the order given.

    Args:
        names: One label per bar.
        values: Their lengths; negative ones go to the left.
        reference: Lengths to compare with, each marked by a line across its bar.
        width: Pixels.
        format: How a value is written beside its bar.
        label: What the chart shows, for those who cannot see it.
    """
    heights = np.nan_to_num(numbers(values), nan=0.0, posinf=0.0, neginf=0.0)
    marks = np.zeros(0) if reference is None else np.nan_to_num(numbers(reference), posinf=0.0, neginf=0.0)
    texts = [format(value) for value in list(values)]
    compared = [] if reference is None else list(reference)
    gutter = min(max([text_width(str(name)) for name in names], default=0) + 8, width * 0.42)
    room = max([text_width(text) for text in texts], default=0) + 10
    ends = np.concatenate([heights, marks, [0.0]])
    low, high = float(ends.min()), float(ends.max())
    left = gutter + (room if low < 0 else 0)
    scale = max(width - left - room, 20) / ((high - low) or 1)
    zero = left - low * scale
    parts = []
    for at, (name, value, text) in enumerate(zip(names, heights.tolist(), texts, strict=True)):
        y, x, length = at * 22 + 3, zero + min(value, 0) * scale, abs(value) * scale
        compare = f", reference {format(compared[at])}" if reference is not None else ""
        parts.append(
            f"<g><title>{escape(name)}: {escape(text)}{escape(compare)}</title>"
            + write(gutter - 7, y + 11.5, fitted(name, gutter - 8), anchor="end", kind="strong")
            + f'<rect class="bar" x="{x:.1f}" y="{y}" width="{max(length, 0.5):.1f}" height="15" rx="2.5"/>'
        )
        edge = x - 5 if value < 0 else x + length + 5
        if reference is not None:
            mark = zero + float(marks[at]) * scale
            parts.append(f'<rect class="mark" x="{mark - 1:.1f}" y="{y - 2}" width="2.5" height="19" rx="1"/>')
            if value >= 0 and x + length - 2 <= mark < edge + text_width(text):
                edge = mark + 6
        parts.append(write(edge, y + 11.5, text, anchor="end" if value < 0 else "start") + "</g>")
    return drawing(width, max(len(texts) * 22, 1), label or "bars", parts)


def heatmap(
    matrix: Any, names: Sequence[Any], *, row_caption: str = "true", column_caption: str = "predicted", label: str = ""
) -> str:
    """A confusion matrix: counts, coloured by their share of the row.

    Args:
        matrix: (n, n) counts, one row per true class.
        names: The n classes.
        row_caption: What the rows are.
        column_caption: What the columns are.
        label: What the chart shows, for those who cannot see it.
    """
    counts = np.asarray(matrix, dtype=float)
    n = len(names)
    cell = 84 if n <= 3 else 48 if n <= 6 else 36 if n <= 20 else 28
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    gutter = min(max([text_width(str(name)) for name in names], default=0), 150) + 8
    left, slanted = gutter + 18, n > 3
    top = (gutter * 0.72 + 8 if slanted else 18) + 18
    lean = gutter * 0.7 if slanted else gutter / 2
    width, height = left + n * cell + max(lean - cell / 2, 4), top + n * cell + 4
    centre_x, centre_y = left + n * cell / 2, top + n * cell / 2
    parts = [
        write(centre_x, 12, column_caption, anchor="middle", kind="caption"),
        write(11, centre_y, row_caption, anchor="middle", kind="caption", turn=-90),
    ]
    for at, name in enumerate(names):
        y, x, shown = top + (at + 0.5) * cell, left + (at + 0.5) * cell, fitted(name, 150)
        parts.append(write(left - 7, y + 4, shown, anchor="end", kind="strong"))
        if slanted:
            parts.append(write(x, top - 7, shown, kind="strong", turn=-45))
        else:
            parts.append(write(x, top - 7, fitted(name, cell), anchor="middle", kind="strong"))
    for i in range(n):
        for j in range(n):
            count, share = float(counts[i, j]), float(shares[i, j])
            x, y = left + j * cell, top + i * cell
            hint = f"{row_caption} {names[i]}, {column_caption} {names[j]}: {count:,.0f} ({share:.1%} of the row)"
            kind = "on" if share > 0.5 else "strong" if count else "faint"
            figure = f"{count:,.0f}" if count < 10 ** min(cell // 8, 8) else short(round(count, -2))
            parts.append(
                f'<g><title>{escape(hint)}</title><rect class="cell" x="{x + 0.5:.1f}" y="{y + 0.5:.1f}" rx="2.5"'
                f' width="{cell - 1}" height="{cell - 1}" fill-opacity="{0.04 + 0.96 * share:.2f}"/>'
                + write(x + cell / 2, y + cell / 2 + 4, figure, anchor="middle", kind=kind)
                + "</g>"
            )
    return drawing(round(width), round(height), label or f"{row_caption} against {column_caption}", parts)


def _days(dates: Any) -> np.ndarray:
    """Dates as days since 1970-01-01, without missing ones."""
    if getattr(getattr(dates, "dt", None), "tz", None) is not None:
        dates = dates.dt.tz_convert(None)
    stamps = np.asarray(dates, dtype="datetime64[s]")
    return stamps[~np.isnat(stamps)].astype(float) / 86400


def _bins(present: np.ndarray, past: np.ndarray, bins: int) -> tuple[float, float, int, tuple[bool, bool]]:
    """The lower and upper edge of common bins, their number, and whether values lie below or above."""
    every = np.concatenate([present, past])
    if not len(every):
        return 0.0, 1.0, bins, (False, False)
    low, high = float(every.min()), float(every.max())
    if low == high:
        return (*widened(low, high), 9, (False, False))
    if high - low < bins and (every == np.rint(every)).all():
        return low - 0.5, high + 0.5, int(high - low) + 1, (False, False)
    first, last = np.percentile(every, [0.5, 99.5]).tolist()
    below, above = (first - low > 1.5 * (last - first) > 0), (high - last > 1.5 * (last - first) > 0)
    return first if below else low, last if above else high, bins, (below, above)


def _spread(
    present: np.ndarray,
    past: np.ndarray,
    low: float,
    high: float,
    bins: int,
    make_ticks: Any,
    label: str,
    width: float,
    height: float,
    cut: tuple[bool, bool],
) -> str:
    shares = [_shares(values, low, high, bins) for values in (present, past)]
    if not len(present) and not len(past):
        return drawing(width, height, label, [write(width / 2, height / 2, "no values", anchor="middle")])
    peak = max(float(shares[0].max()), float(shares[1].max())) or 1.0
    share_ticks = [(tick, f"{tick * 100:.3g}%") for tick in ticks(0, peak, 3)]
    left = max(text_width(text) for _, text in share_ticks) + 12
    frame = Frame(left, 8, width - left - 10, height - 30, (low, high), (0, peak * (1.15 if any(cut) else 1.04)))
    x_ticks = make_ticks(low, high, max(int(frame.width // 58), 2))
    if bins == high - low:  # a bin for each whole number
        x_ticks = [tick for tick in x_ticks if tick[0] == round(tick[0])]
    frame.axes(x_ticks, share_ticks)
    edges = np.linspace(low, high, bins + 1)
    x, base = frame.across(edges), frame.top + frame.height
    for at in np.flatnonzero(shares[0]):
        share, beyond = float(shares[0][at]), (cut[0] and at == 0, cut[1] and at == bins - 1)
        hint = _words(edges[at], edges[at + 1], beyond, make_ticks is date_ticks)
        compare = f", reference {shares[1][at]:.2%}" if len(past) else ""
        frame.parts.append(
            f'<rect class="bar" x="{x[at] + 0.4:.1f}" y="{frame.down(share):.1f}" width="{x[at + 1] - x[at] - 0.8:.1f}"'
            f' height="{base - frame.down(share):.1f}"><title>{escape(hint)}: {share:.2%}{compare}</title></rect>'
        )
    if len(past):
        steps = frame.down(np.concatenate([[0.0], np.repeat(shares[1], 2), [0.0]]))
        frame.parts.append(f'<path class="outline" d="{path(np.repeat(x, 2), steps)}"/>')
    if not len(present):
        frame.parts.append(write(frame.left + frame.width / 2, 13, "no values", anchor="middle"))
    right = frame.left + frame.width
    if cut[0]:
        frame.parts.append(write(frame.left + 2, 13, "◂ and below"))
    if cut[1]:
        frame.parts.append(write(right, 13, "and above ▸", anchor="end"))
    return drawing(width, height, label, frame.parts)


def _shares(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """The share of values per bin; those outside count in the outermost ones."""
    if not len(values):
        return np.zeros(bins)
    # Much faster than numpy.histogram, which looks for each value's place among edges that here are equally far apart.
    place = np.clip((values - low) * (bins / (high - low)), 0, bins - 1).astype(np.intp)
    return np.bincount(place, minlength=bins) / len(values)


def _words(low: float, high: float, beyond: tuple[bool, bool], dates: bool) -> str:
    """A bin in words."""
    first, last = (str(np.datetime64(int(edge), "D")) if dates else written(edge) for edge in (low, high))
    return f"below {last}" if beyond[0] else f"above {first}" if beyond[1] else f"{first} to {last}"
