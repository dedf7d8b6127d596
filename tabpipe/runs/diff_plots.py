"""`runs diff --plots`: one page with the curves of two runs side by side, out of their reports."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from components.common.base.files import written_whole
from components.common.base.numbers import score
from components.common.config.promote import HIGHER
from components.common.reports import charts
from components.common.reports import html as report
from components.common.reports.html import Markup
from tabpipe.runs.diff import differences
from tabpipe.runs.find import Kept
from tabpipe.runs.listing import commit_words, moment, short
from tabpipe.steps import steps

_OF_THE_MODEL = ("Importance of columns",)
"""Sections that are not about rows."""
_LEAST = 440
"""Pixels of a chart's column: two of them fit a page, and one a telephone."""


@dataclass(frozen=True)
class Curve:
    """A chart of a report."""

    section: str
    caption: str
    svg: str


def write(path: Path, a: Kept, b: Kept) -> None:
    """Writes the page; it appears whole or not at all.

    Args:
        path: Where to.
        a: The first run, on the left.
        b: The second run.
    """
    found = differences(a, b)
    names = [f"A  {a.run_id}", f"B  {b.run_id}"]
    about = [
        [name, run.use_case, moment(run), short(run.summary.get("checksum")), commit_words(run)]
        for name, run in zip(names, (a, b), strict=True)
    ]
    scores = [[row["name"], row["a"], row["b"], row["difference"]] for row in found["metrics"]]
    parameters = [[row["name"], _text(row["a"]), _text(row["b"])] for row in found["parameters"]]
    page = report.page(
        "Two runs side by side",
        f"{a.run_id} (A) and {b.run_id} (B)",
        report.table(["run", "use case", "started", "data", "code"], about),
        _scores(found["metrics"], scores),
        report.section("Parameters that differ", report.table(["parameter", "A", "B"], parameters, numeric=()))
        if parameters
        else report.section("Parameters that differ", "None."),
        *_curves(a, b),
    )
    with written_whole(path) as beside:
        beside.write_text(page)


def _scores(metrics: list[dict], rows: list[list]) -> Markup:
    common = [row for row in metrics if row["name"].rpartition(".")[2] in HIGHER]  # of a common scale
    both = [row for row in common if row["difference"] is not None]
    picture = charts.bars(
        [row["name"] for row in both],
        [row["b"] for row in both],
        reference=[row["a"] for row in both],
        format=score,
        width=720,
        label="metrics of both runs",
    )
    drawn = [report.figure(picture, "B as bars, A as marks", "the higher the better")] if both else []
    return report.section("Metrics", report.table(["metric", "A", "B", "B - A"], rows), *drawn)


def _curves(a: Kept, b: Kept) -> list[Markup]:
    """A section for each part of the reports in which one of the two has charts."""
    sections: dict[str, list[Markup]] = {}
    for step in sorted((step for step in steps().values() if step.scores), key=lambda step: -step.order):
        ours, theirs = ({(c.section, c.caption): c for c in curves(run, step.name)} for run in (a, b))
        for part, caption in dict.fromkeys([*ours, *theirs]):
            title = part if part in _OF_THE_MODEL else f"{step.scores.title()} rows: {part}"
            for side, one in (("A", ours), ("B", theirs)):
                curve = one.get((part, caption))
                picture = curve.svg if curve else report.text("This run has none.")
                sections.setdefault(title, []).append(report.figure(picture, side, caption))
    if not sections:
        return [report.section("Curves", "Neither run has kept a report with curves.")]
    return [report.section(title, report.gallery(*pairs, least=_LEAST)) for title, pairs in sections.items()]


def curves(run: Kept, name: str) -> list[Curve]:
    """The charts of a run's report, in their order; none where the run has no such report."""
    path = run.folder / "reports" / f"{name}.html" if run.folder else None
    if path is None or not path.is_file():
        return []
    found = []
    for section in re.findall(r"<section>(.*?)</section>", path.read_text(encoding="utf-8"), re.S):
        title = re.search(r"<h2>(.*?)</h2>", section, re.S)
        for figure in re.findall(r"<figure[^>]*>(.*?)</figure>", section, re.S):
            caption = re.search(r"<figcaption>(.*?)(?:<small>.*)?</figcaption>", figure, re.S)
            if svg := re.search(r'<svg class="chart".*?</svg>', figure, re.S):
                heading, words = (html.unescape(match[1]) if match else "" for match in (title, caption))
                found.append(Curve(heading, words, svg[0]))
    return found


def _text(value: object) -> str:
    return "–" if value is None else str(value)
