"""A picture of a difference: a number line with its interval, nought and the margin marked."""

from __future__ import annotations

from components.common.base.numbers import written
from components.common.reports.svg import Frame, drawing, number_ticks, text_width, widened, write

_HEIGHT, _LINE = 128, 62


def number_line(
    value: float, interval: tuple[float, float] | None, margin: float, *, label: str, width: float = 720
) -> str:
    """Draws a difference on a line.

    Args:
        value: The difference; above 0 where the candidate is better.
        interval: Its interval, if there is one.
        margin: What it has to be above.
        label: What the axis shows.
        width: Pixels.
    """
    ends = interval or (value, value)
    low, high = widened(min(value, ends[0], 0.0), max(value, ends[1], margin, 0.0), 0.12)
    frame = Frame(16, 34, width - 32, _HEIGHT - 34 - 42, (low, high), (0.0, 1.0))
    frame.axes(number_ticks(low, high, 7), [], x_label=label)
    frame.parts.append(write(frame.left, _HEIGHT - 10, "← worse", kind="caption"))
    frame.parts.append(write(frame.left + frame.width, _HEIGHT - 10, "better →", anchor="end", kind="caption"))
    _mark(frame, 0.0, "as good as the champion", "guide", 12)
    if margin:
        _mark(frame, margin, f"margin {written(margin)}", "axis", 27)
    if interval:
        first, last = frame.across(interval[0]), frame.across(interval[1])
        frame.parts.append(
            f"<g><title>interval {written(interval[0])} to {written(interval[1])}</title>"
            f'<rect class="bar" x="{first:.1f}" y="{_LINE - 5}" width="{max(last - first, 1):.1f}" height="10" rx="5"/>'
            "</g>"
        )
    x = frame.across(value)
    frame.parts.append(
        f"<g><title>difference {written(value)}</title>"
        f'<rect class="mark" x="{x - 2.5:.1f}" y="{_LINE - 11}" width="5" height="22" rx="2.5"/></g>'
    )
    return drawing(width, _HEIGHT, f"difference {written(value)}", frame.parts)


def _mark(frame: Frame, at: float, words: str, kind: str, y: float) -> None:
    """An upright line with words above it, which stay within the drawing."""
    x, half = frame.across(at), text_width(words) / 2
    frame.parts.append(f'<path class="{kind}" d="M{x:.1f} {y + 4:.1f}V{frame.top + frame.height:.1f}"/>')
    centre = min(max(x, half + 2), frame.left + frame.width + 14 - half)
    frame.parts.append(write(centre, y, words, anchor="middle", kind="strong"))
