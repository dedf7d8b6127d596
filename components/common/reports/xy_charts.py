"""Charts over a plane of two numbers: lines and points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.common.reports.html import escape
from components.common.reports.style import GROUPS, RAMP
from components.common.reports.svg import (
    Frame,
    drawing,
    finite,
    key,
    number_ticks,
    numbers,
    path,
    short,
    text_width,
    widened,
)


def lines(
    series: Mapping[str, tuple[Any, Any]],
    *,
    x_label: str,
    y_label: str,
    diagonal: bool = False,
    level: float | None = None,
    shares: bool = False,
    dots: bool = False,
    width: float = 520,
    height: float = 380,
    label: str = "",
) -> str:
    """Lines over a common plane, for instance ROC curves, with a legend: beside them where there are several.

    Args:
        series: Label to (x, y), no legend of an empty one; each is thinned to at most 200 points, more of them where it
            bends.
        x_label: The horizontal axis.
        y_label: The vertical axis.
        diagonal: Whether to draw the dashed line from corner to corner, what guessing gives.
        level: Height of a dashed line, likewise.
        shares: Whether both axes go from 0 to 1, wherever the lines are.
        dots: Whether the points of the lines are marked.
        width: Pixels.
        height: Pixels.
        label: What the chart shows, for those who cannot see it.
    """
    curves = {str(name): _thinned(numbers(x), numbers(y)) for name, (x, y) in series.items()}
    alone = next(iter(curves)) if len(curves) == 1 else ""
    frame = _plane(
        [x for x, _ in curves.values()],
        [y for _, y in curves.values()],
        width,
        height,
        x_label,
        y_label,
        list(curves) if len(curves) > 1 else [],
        margin=0.0,
        top=32.0 if alone else 10.0,
        shares=shares,
    )
    if alone:
        frame.parts += key(frame.left, 6, [("only", alone)], frame.width)
    if level is not None:
        frame.parts.append(_guide(frame, frame.x[0], level, frame.x[1], level))
    if diagonal:
        (x0, x1), (y0, y1) = frame.x, frame.y
        frame.parts.append(_guide(frame, x0, y0, x1, y1))
    for at, (name, (x, y)) in enumerate(curves.items()):
        if len(x):
            line = path(frame.across(x), frame.down(y))
            kind = _group(at) if len(curves) > 1 else "only"
            frame.parts.append(f'<path class="line {kind}" d="{line}"><title>{escape(name)}</title></path>')
            if dots:
                points = "".join(
                    f"M{a:.1f} {b:.1f}h0" for a, b in zip(frame.across(x).tolist(), frame.down(y).tolist(), strict=True)
                )
                frame.parts.append(f'<path class="dots {kind}" d="{points}"/>')
    if len(curves) > 1:
        frame.parts += key(
            frame.left + frame.width + 16,
            frame.top,
            [(_group(i), n) for i, n in enumerate(curves)],
            width - frame.left - frame.width - 20,
        )
    tall = max(height, frame.top + 17 * len(curves) * (len(curves) > 1) + 6)
    return drawing(width, tall, label or f"{y_label} over {x_label}", frame.parts)


def scatter(
    x: Any,
    y: Any,
    *,
    groups: Any = None,
    x_label: str = "",
    y_label: str = "",
    zero_line: bool = False,
    identity: bool = False,
    limit: int = 2000,
    seed: int = 42,
    width: float = 520,
    height: float = 380,
    label: str = "",
) -> str:
    """Points, for instance predictions over true values, or an embedding coloured by group or by a number.

    Args:
        x: (n,) horizontal positions.
        y: (n,) vertical positions.
        groups: (n,) classes (the 15 most frequent get a colour each) or numbers (a scale of colours).
        x_label: The horizontal axis.
        y_label: The vertical axis.
        zero_line: Whether to draw a dashed line at y = 0.
        identity: Whether to draw the dashed line y = x.
        limit: Points drawn at most, a seeded sample of them.
        seed: Seed of the sample.
        width: Pixels.
        height: Pixels.
        label: What the chart shows, for those who cannot see it.
    """
    x, y = numbers(x), numbers(y)
    seen = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(seen) > limit:
        seen = np.sort(np.random.default_rng(seed).choice(seen, limit, replace=False))
    x, y = x[seen], y[seen]
    labels, codes = ([], np.zeros(len(x), int)) if groups is None else _coloured(np.asarray(groups), seen)
    frame = _plane([x], [y], width, height, x_label, y_label, [name for _, name in labels], margin=0.04)
    if zero_line:
        frame.parts.append(_guide(frame, frame.x[0], 0, frame.x[1], 0))
    if identity:
        low, high = max(frame.x[0], frame.y[0]), min(frame.x[1], frame.y[1])
        if low < high:
            frame.parts.append(_guide(frame, low, low, high, high))
    across, down = frame.across(x), frame.down(y)
    for code in np.unique(codes):
        chosen = np.flatnonzero(codes == code)
        kind = labels[code][0] if labels else "only"
        # One path paints a spot once however many of its points lie there, so several show where points are dense.
        for first in range(0, len(chosen), 40):
            part = chosen[first : first + 40]
            pairs = zip(across[part].tolist(), down[part].tolist(), strict=True)
            dots = "".join([f"M{a:.1f} {b:.1f}h0" for a, b in pairs])
            frame.parts.append(f'<path class="dots {kind}" d="{dots}"/>')
    if labels:
        frame.parts += key(frame.left + frame.width + 16, frame.top, labels, width - frame.left - frame.width - 20)
    tall = max(height, frame.top + 17 * len(labels) + 6)
    return drawing(width, tall, label or f"{y_label} over {x_label}", frame.parts)


def _plane(
    xs: list[np.ndarray],
    ys: list[np.ndarray],
    width: float,
    height: float,
    x_label: str,
    y_label: str,
    legend: Sequence[str],
    margin: float,
    top: float = 10.0,
    shares: bool = False,
) -> Frame:
    """A frame with axes around all points, leaving room for a legend at its right."""
    x, y = finite(np.concatenate([*xs, np.zeros(0)])), finite(np.concatenate([*ys, np.zeros(0)]))
    x_range = widened(x.min(), x.max(), margin) if len(x) else (0.0, 1.0)
    y_range = widened(y.min(), y.max(), margin) if len(y) else (0.0, 1.0)
    if shares:
        x_range = y_range = (0.0, 1.0)
    beside = min(max(text_width(name) for name in legend) + 40, width * 0.4) if legend else 14
    x_ticks, y_ticks = number_ticks(*x_range, 6), number_ticks(*y_range, 5)
    left = max(text_width(text) for _, text in y_ticks) + (30 if y_label else 12)
    bottom = 42 if x_label else 24
    frame = Frame(left, top, width - left - beside, height - top - bottom, x_range, y_range)
    frame.axes(x_ticks, y_ticks, x_label, y_label, rules=True)
    return frame


def _guide(frame: Frame, x0: float, y0: float, x1: float, y1: float) -> str:
    return f'<path class="guide" d="{path(frame.across(np.array([x0, x1])), frame.down(np.array([y0, y1])))}"/>'


def _group(at: int) -> str:
    return f"g{at % len(GROUPS)}"


def _thinned(x: np.ndarray, y: np.ndarray, limit: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """At most `limit` points of a line, equally far apart along it, both ends among them."""
    seen = np.isfinite(x) & np.isfinite(y)
    x, y = x[seen], y[seen]
    if len(x) <= limit:
        return x, y
    length = np.abs(np.diff(x)) / (np.ptp(x) or 1) + np.abs(np.diff(y)) / (np.ptp(y) or 1)
    along = np.concatenate([[0.0], np.cumsum(length)])
    chosen = np.unique(np.searchsorted(along, np.linspace(0, along[-1], limit - 1)).clip(0, len(x) - 1))
    chosen = np.union1d(chosen, [len(x) - 1])
    return x[chosen], y[chosen]


def _coloured(groups: np.ndarray, seen: np.ndarray) -> tuple[list[tuple[str, str]], np.ndarray]:
    """The legend (CSS class, label) of all groups, and the place in it of each point that is seen.

    Colours are dealt by name among all points, not only those seen, so that they do not depend on the sample.
    """
    if groups.dtype.kind == "f" or (groups.dtype.kind in "iu" and len(np.unique(groups)) > len(GROUPS)):
        known = finite(groups)
        if not len(known):
            return [("rest", "missing")], np.zeros(len(seen), int)
        edges = np.linspace(known.min(), known.max(), len(RAMP) + 1)
        values = groups.astype(float)[seen]
        codes = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(RAMP) - 1)
        labels = [
            (f"r{i}", f"{short(float(f'{edges[i]:.3g}'))} to {short(float(f'{edges[i + 1]:.3g}'))}")
            for i in range(len(RAMP))
        ]
        if not np.isfinite(values).all():
            codes, labels = np.where(np.isfinite(values), codes, len(RAMP)), [*labels, ("rest", "missing")]
        return labels, codes
    texts = groups.astype(str)
    names, inverse, counts = np.unique(texts, return_inverse=True, return_counts=True)
    if len(names) <= len(GROUPS):
        return [(_group(i), str(name)) for i, name in enumerate(names)], inverse[seen]
    frequent = np.sort(np.argsort(-counts, kind="stable")[: len(GROUPS) - 1])
    place = np.full(len(names), len(frequent))
    place[frequent] = np.arange(len(frequent))
    rest = f"{len(names) - len(frequent)} others"
    return [*((_group(i), str(names[at])) for i, at in enumerate(frequent)), ("rest", rest)], place[inverse][seen]
