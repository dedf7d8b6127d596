"""The looks of reports and charts: colours for light and dark, and one short script that sorts tables."""

from __future__ import annotations

from pathlib import Path


def _beside(name: str) -> str:
    return "\n" + Path(__file__).with_name(f"style.{name}").read_text(encoding="utf-8")


GROUPS = [
    "#3d7fd0",
    "#f08a24",
    "#2e9e57",
    "#dc4a4a",
    "#9062c4",
    "#8f6a4b",
    "#e170bd",
    "#18b3c4",
    "#b3b21c",
    "#808890",
    "#1c5d86",
    "#f5a99a",
    "#86c97f",
    "#9c1f52",
    "#5a48e0",
]
"""Fifteen colours that differ on white and on near-black."""
RAMP = ["#46327e", "#365c8d", "#277f8e", "#1fa187", "#4ac16d", "#9fda3a", "#e8d626"]
"""From low to high, in equal steps of lightness (viridis without its ends, which vanish on a page of their colour)."""

THEME, PAGE, SCRIPT = _beside("theme.css"), _beside("page.css"), _beside("sort.js")
CHART = (
    _beside("chart.css")
    + "".join(f".chart .g{i}{{stroke:{c}}}.chart rect.g{i}{{fill:{c};stroke:none}}\n" for i, c in enumerate(GROUPS))
    + "".join(f".chart .r{i}{{stroke:{c}}}.chart rect.r{i}{{fill:{c};stroke:none}}\n" for i, c in enumerate(RAMP))
)
