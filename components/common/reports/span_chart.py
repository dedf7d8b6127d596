"""Spans of numbers one under the other: from a low to a high value, with a mark between."""

from __future__ import annotations

from collections.abc import Sequence

from components.common.base.numbers import written
from components.common.reports.html import escape
from components.common.reports.svg import Frame, drawing, fitted, number_ticks, text_width, widened, write

_STEP = 22


def spans(
    names: Sequence[str],
    values: Sequence[tuple[float, float, float]],
    *,
    x_label: str = "",
    width: float = 520,
    label: str = "",
) -> str:
    """Horizontal bars from the first to the third value with a mark at the second, and a dashed line at 0.

    Args:
        names: One per span.
        values: Lower end, mark, upper end.
        x_label: The axis.
        width: Pixels.
        label: What the chart shows, for those who cannot see it.
    """
    low, high = widened(min(0.0, *(one[0] for one in values)), max(0.0, *(one[2] for one in values)))
    gutter = min(max(text_width(name) for name in names) + 10, width * 0.42)
    tall = len(names) * _STEP
    frame = Frame(gutter, 4, width - gutter - 14, tall, (low, high), (0.0, 1.0))
    frame.axes(number_ticks(low, high, max(int(frame.width // 70), 2)), [], x_label, rules=True)
    zero = frame.across(0.0)
    frame.parts.append(f'<path class="guide" d="M{zero:.1f} 4V{4 + tall}"/>')
    for at, (name, (first, middle, last)) in enumerate(zip(names, values, strict=True)):
        y, left, mark = 4 + at * _STEP + 4, frame.across(first), frame.across(middle)
        hint = f"{name}: {written(first)} to {written(last)}, median {written(middle)}"
        frame.parts.append(
            f"<g><title>{escape(hint)}</title>"
            + write(gutter - 7, y + 11, fitted(name, gutter - 8), anchor="end", kind="strong")
            + f'<rect class="bar" x="{left:.1f}" y="{y}" width="{max(frame.across(last) - left, 1):.1f}" height="14" '
            f'rx="2.5"/><rect class="mark" x="{mark - 1.2:.1f}" y="{y - 2}" width="2.5" height="18" rx="1"/></g>'
        )
    return drawing(width, tall + 4 + (42 if x_label else 24), label or x_label or "spans", frame.parts)
