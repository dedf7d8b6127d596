import re
import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from components.common.reports import charts
from components.common.reports.svg import date_ticks, finite, fitted, short, standalone, text_width, ticks
from components.common.reports.xy_charts import _thinned

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = '<script>alert("1")</script> & \x00\ud800'


def parsed(svg):
    """The drawing as XML: a chart that is no well-formed XML fails here."""
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg" and root.get("viewBox") and root.find(f"{SVG}title").text
    return root


def shares(svg):
    """What the bars of a histogram say in their hints, in percent."""
    return [float(share) for share in re.findall(r"<title>[^<]*: ([\d.]+)%", svg)]


def classes(svg):
    return {name for found in re.findall(r'class="([^"]+)"', svg) for name in found.split()}


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="none"),
        pytest.param([np.nan] * 5, id="all-missing"),
        pytest.param([3, 3, 3], id="constant"),
        pytest.param([0], id="one-zero"),
        pytest.param([True, False, True], id="booleans"),
        pytest.param([1.0, np.inf, -np.inf, 2.0], id="infinite"),
        pytest.param([1e300, -1e300, 0], id="huge"),
        pytest.param([1e-300, 2e-300], id="tiny"),
        pytest.param([1e15, 1e15 + 1, 1e15 + 2], id="far-from-zero"),
        pytest.param(pd.array([1, None, 2], dtype="Int64"), id="nullable"),
        pytest.param(pd.Series([1.5, None, 2.5], index=[7, 8, 9]), id="series-with-odd-index"),
    ],
)
def test_a_histogram_is_drawn_of_anything(values):
    svg = charts.histogram(values, label="x")
    parsed(svg)
    assert "nan" not in svg and "inf" not in svg
    assert sum(shares(svg)) == pytest.approx(100 if len(finite(values)) else 0, abs=0.1)


def test_whole_numbers_of_few_values_get_a_bin_each():
    svg = charts.histogram([1, 1, 2, 4, 4, 4, 4, 4])
    assert shares(svg) == [25.0, 12.5, 62.5]
    assert "0.5 to 1.5: 25.00%" in svg


def test_histogram_bins_count_as_numpy_does():
    values = np.random.default_rng(0).normal(size=5000)
    expected = np.histogram(values, bins=30)[0] / 50
    assert shares(charts.histogram(values)) == pytest.approx(expected[expected > 0], abs=0.021)


def test_a_reference_is_an_outline_over_common_bins():
    svg = charts.histogram([1, 2, 3, 4], [11, 12, 13, 14])
    assert "outline" in classes(svg) and "outline" not in classes(charts.histogram([1, 2, 3, 4]))
    ends = [float(x) for x in re.findall(r'<rect class="bar" x="([\d.]+)"', svg)]
    assert max(ends) < 160, "the present values take the left half only"


def test_far_values_are_gathered_in_the_outermost_bin():
    values = np.append(np.linspace(0, 1, 10_000), 1e6)
    svg = charts.histogram(values)
    assert "and above" in svg and len(shares(svg)) == 30
    assert sum(shares(svg)) == pytest.approx(100, abs=0.1)
    assert "and above" not in charts.histogram(np.linspace(0, 1, 1000))


@pytest.mark.parametrize(
    ("dates", "label"),
    [
        pytest.param(["2011-03-01", "2019-07-08"], "2014", id="years"),
        pytest.param(["2026-01-15", "2026-10-20"], "2026-03", id="months"),
        pytest.param(["2026-01-01", "2026-01-20"], "2026-01-08", id="days"),
        pytest.param(["2026-01-01", None], "2026-01-0", id="one-day"),
        pytest.param([None, None], "no values", id="all-missing"),
    ],
)
def test_a_timeline_is_labelled_by_what_it_spans(dates, label):
    svg = charts.timeline(pd.to_datetime(pd.Series(dates)), label="when")
    parsed(svg)
    assert label in svg


def test_a_timeline_takes_dates_with_a_time_zone():
    dates = pd.Series(pd.to_datetime(["2026-01-01", "2026-02-01"]).tz_localize("Europe/Berlin"))
    parsed(charts.timeline(dates, dates))


def test_bars_have_names_values_and_marks_of_the_reference():
    svg = charts.bars(["a", "b"], pd.Series([1.0, 3.0], index=["x", "y"]), reference=[2.0, 2.0], format="{:.1f}".format)
    widths = [float(width) for width in re.findall(r'class="bar"[^>]* width="([\d.]+)"', svg)]
    assert widths[1] == pytest.approx(3 * widths[0], rel=0.01)
    assert svg.count('class="mark"') == 2 and "b: 3.0, reference 2.0" in svg


@pytest.mark.parametrize("values", [[], [0, 0], [-1, 2], [np.nan, 1], [-3, -1]], ids=str)
def test_bars_are_drawn_of_anything(values):
    svg = charts.bars([f"n{i}" for i in range(len(values))], values)
    parsed(svg)
    assert min((float(x) for x in re.findall(r'<rect[^>]* x="(-?[\d.]+)"', svg)), default=0) >= 0


@pytest.mark.parametrize("n", [1, 2, 3, 5, 15, 40])
def test_a_heatmap_has_a_cell_with_a_hint_per_pair_of_classes(n):
    matrix = np.arange(n * n).reshape(n, n) * 1000
    root = parsed(charts.heatmap(matrix, [f"a class with the long name {i}" for i in range(n)]))
    hints = [title.text for title in root.iter(f"{SVG}title")][1:]
    assert len(hints) == n * n
    assert hints[-1].startswith(f"true a class with the long name {n - 1}, predicted a class")
    captions = [text.text for text in root.iter(f"{SVG}text") if text.get("class") == "caption"]
    assert captions == ["predicted", "true"]


def test_a_heatmap_colours_by_the_share_of_the_row():
    svg = charts.heatmap([[8, 2], [0, 0]], ["no", "yes"])
    assert [float(x) for x in re.findall(r'fill-opacity="([\d.]+)"', svg)] == pytest.approx(
        [0.81, 0.23, 0.04, 0.04], abs=0.01
    )
    assert "true no, predicted no: 8 (80.0% of the row)" in svg


def test_lines_are_thinned_where_they_are_straight_and_keep_their_ends():
    x = np.linspace(0, 1, 10_000)
    y = np.where(x < 0.01, x * 90, 0.9 + (x - 0.01) * 0.1 / 0.99)
    thin_x, thin_y = _thinned(x, y)
    assert len(thin_x) <= 200
    assert (thin_x[0], thin_y[0], thin_x[-1], thin_y[-1]) == (x[0], y[0], x[-1], y[-1])
    assert np.abs(np.interp(x, thin_x, thin_y) - y).max() < 0.02
    svg = charts.lines({"a": (x, y), "b": (x, x)}, x_label="false", y_label="true", diagonal=True)
    parsed(svg)
    assert {"g0", "g1", "guide"} <= classes(svg) and svg.count("L") < 2 * 200 + 10


@pytest.mark.parametrize("series", [{}, {"a": ([], [])}, {"a": ([np.nan], [1])}, {"a": ([1], [1])}], ids=str)
def test_lines_are_drawn_of_anything(series):
    parsed(charts.lines(series, x_label="x", y_label="y", diagonal=True))


def points(svg):
    return svg.count("h0")


def test_a_scatter_draws_a_seeded_sample():
    x = np.random.default_rng(0).normal(size=5000)
    svg = charts.scatter(x, x, zero_line=True, identity=True, x_label="true", y_label="predicted")
    assert points(svg) == 2000 and svg.count('class="guide"') == 2
    assert svg == charts.scatter(x, x, zero_line=True, identity=True, x_label="true", y_label="predicted")
    assert svg != charts.scatter(x, x, zero_line=True, identity=True, x_label="true", y_label="predicted", seed=1)
    assert points(charts.scatter([1, 2, np.nan, 4], [1, np.inf, 3, 4])) == 2


@pytest.mark.parametrize("n", [1, 2, 15], ids="{} groups".format)
def test_each_group_has_a_colour_of_its_own(n):
    groups = np.array([f"group {i % n}" for i in range(60)])
    svg = charts.scatter(np.arange(60), np.arange(60), groups=groups)
    assert {f"g{i}" for i in range(n)} == {name for name in classes(svg) if re.fullmatch(r"g\d+", name)}
    assert points(svg) == 60


def test_groups_beyond_fifteen_are_drawn_as_others():
    svg = charts.scatter(np.arange(100), np.arange(100), groups=np.array([f"{i % 20:02}" for i in range(100)]))
    assert "6 others" in svg and "rest" in classes(svg) and points(svg) == 100


@pytest.mark.parametrize(
    "groups",
    [
        np.linspace(0, 1, 40),
        np.append(np.linspace(5, 9, 39), np.nan),
        np.full(40, 2.0),
        np.full(40, np.nan),
        np.arange(40),
    ],
    ids=["floats", "a-missing", "constant", "all-missing", "integers"],
)
def test_points_are_coloured_by_a_number(groups):
    svg = charts.scatter(np.arange(40), np.arange(40), groups=groups)
    parsed(svg)
    assert points(svg) == 40


def test_nothing_hostile_gets_into_a_chart():
    drawn = [
        charts.histogram([1, 2], label=HOSTILE),
        charts.bars([HOSTILE], [1], label=HOSTILE),
        charts.heatmap([[1, 0], [0, 1]], [HOSTILE, "b"], row_caption=HOSTILE, label=HOSTILE),
        charts.lines({HOSTILE: ([0, 1], [0, 1]), "b": ([0], [1])}, x_label=HOSTILE, y_label=HOSTILE),
        charts.scatter([1, 2], [1, 2], groups=np.array([HOSTILE, "b"]), x_label=HOSTILE, y_label=HOSTILE),
    ]
    for svg in drawn:
        parsed(svg.encode())
        assert "<script" not in svg and "&lt;script" in svg


def test_a_standalone_chart_brings_its_colours():
    svg = standalone(charts.histogram([1, 2, 2]))
    assert "--accent" in parsed(svg).find(f"{SVG}style").text


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 97, 5, [0, 20, 40, 60, 80]),
        (-35, 5, 4, [-30, -20, -10, 0]),
        (20_000, 1_000_000, 4, [200_000, 400_000, 600_000, 800_000, 1_000_000]),
        (0.0012, 0.0049, 4, [0.002, 0.003, 0.004]),
        (3, 3, 5, [3]),
    ],
)
def test_ticks_are_round_numbers(low, high, count, expected):
    assert ticks(low, high, count) == pytest.approx(expected)


def test_years_are_multiples_of_their_step():
    days = [np.datetime64(day, "D").astype(int) for day in ("1987-05-01", "2023-02-01")]
    assert [label for _, label in date_ticks(*days, 4)] == ["1990", "2000", "2010", "2020"]


@pytest.mark.parametrize(
    ("value", "label"),
    [
        (0, "0"),
        (-0.0, "0"),
        (0.30000000000000004, "0.3"),
        (9000, "9000"),
        (25_000, "25k"),
        (1_500_000, "1.5M"),
        (2e9, "2G"),
        (3e20, "3e+20"),
        (-20_000, "-20k"),
        (1e-5, "1e-05"),
    ],
)
def test_numbers_on_axes_are_short(value, label):
    assert short(value) == label


def test_labels_are_cut_to_fit():
    assert fitted("short", 100) == "short"
    cut = fitted("a label much too long for its place", 100)
    assert cut.endswith("…") and text_width(cut) <= 100


def test_charts_take_a_few_milliseconds():
    random = np.random.default_rng(0)
    values, groups = random.normal(size=42_000), random.integers(0, 15, 42_000).astype(str)
    x = np.linspace(0, 1, 10_000)
    curves = {f"class {i}": (x, x ** (1 / (i + 2))) for i in range(15)}
    draw = {
        "histogram": lambda: charts.histogram(values, values[:20_000]),
        "heatmap": lambda: charts.heatmap(random.integers(0, 900, (15, 15)), [f"class {i}" for i in range(15)]),
        "lines": lambda: charts.lines(curves, x_label="x", y_label="y"),
        "scatter": lambda: charts.scatter(values, values),
        "groups": lambda: charts.scatter(values[:2000], values[:2000], groups=groups[:2000]),
    }
    for name, function in draw.items():
        seconds = []
        for _ in range(5):
            start = time.thread_time()  # what others compute meanwhile is not its fault
            function()
            seconds.append(time.thread_time() - start)
        assert min(seconds) < 0.02, name
