import html
import re
from dataclasses import replace

import pytest

from components.promote.compare import compare
from components.promote.number_line import number_line
from components.promote.promote_report import write_report
from components.promote.verdict import decide

TOLD = {"candidate": "houses-model:v3", "champion": "houses-model:v1", "run": "r-17"}


@pytest.fixture
def shown(tmp_path):
    """Writes a report; returns its text without markup."""

    def show(section, comparison, told=TOLD):
        verdict = decide(section, comparison)
        write_report(tmp_path / "report", section, comparison, verdict, told, f"v3: {verdict.decision}")
        page = (tmp_path / "report").read_text()
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<(style|script)>.*?</\1>|<[^>]+>", " ", page, flags=re.S)))

    return show


def test_the_report_of_a_better_candidate(section, saved, test_rows, shown):
    asked = section(metric="accuracy", thresholds={"accuracy": 0.5}, guards={"slice_drop": 0.05, "latency_ms": 10_000})
    text = shown(asked, compare(asked, saved(), saved(depth=1), test_rows, [test_rows.iloc[:50]]))
    for part in (
        "Promotion: houses",
        "candidate houses-model:v3 champion houses-model:v1 run r-17",
        "it takes the champion's place",
        "more than 0 is asked",
        "DecisionTreeClassifier against the champion's DecisionTreeClassifier, on 450 rows of the test split",
        "95 % interval +0",
        "200 resamples",
        "; 50 more were left out",
        "class of kind",
        "at most 10,000 ms",
        "asked with the same columns",
    ):
        assert part in text
    assert "not met" not in text


def test_the_report_of_a_worse_candidate(section, saved, test_rows, shown):
    asked = section(guards={"slice_drop": 0.05})
    text = shown(asked, compare(asked, saved(depth=1), saved(), test_rows, None))
    for part in (
        "The champion stays. AUC",
        "1 more that was asked is not met.",
        "not met",
        "loses too much",
        "so it may look too good",
    ):
        assert part in text


def test_the_report_of_a_first_model_speaks_of_no_champion_that_is_not_there(section, saved, test_rows, shown):
    asked = section()
    text = shown(asked, compare(asked, saved(), None, test_rows, None), {})
    assert "The candidate is the first champion." in text and "There is no champion:" in text
    for part in ("difference", "How sure is it?", "Slices", "Signature", "left out", "better is"):
        assert part not in text


def test_the_report_of_a_champion_that_cannot_be_asked(section, saved, test_rows, shown):
    asked = section()
    text = shown(asked, compare(asked, saved(), saved("regression"), test_rows, []))
    for part in (
        "v3: wait",
        "it is a regressor",
        "class hut is new",
        "answers are string, were double",
    ):
        assert part in text


def test_names_from_the_data_are_shown_and_not_run(section, saved, test_rows, tmp_path):
    asked = section(metric="accuracy", min_slice_rows=1)
    test = test_rows.assign(place="<script>alert(1)</script>")
    found = compare(asked, saved(), saved(depth=1), test, [])
    write_report(tmp_path / "r", asked, found, decide(asked, found), {"run": "<b>"}, "")
    page = (tmp_path / "r").read_text()
    assert "&lt;script&gt;alert" in page and "<script>alert" not in page and "<b>" not in page.split("</header>")[0]


def test_two_reports_of_one_comparison_are_equal(section, saved, test_rows, tmp_path):
    asked = section()
    pages = []
    for name in ("a", "b"):
        found = compare(asked, saved(), saved(depth=1), test_rows, [])
        still = replace(
            found, candidate=replace(found.candidate, latency_ms=1), champion=replace(found.champion, latency_ms=1)
        )
        write_report(tmp_path / name, asked, still, decide(asked, still), TOLD, "")
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("value", "interval", "margin"),
    [(0.002, (0.0004, 0.004), 0.0), (-3.0, (-4.0, -2.0), 1.0), (0.0, (0.0, 0.0), 0.0), (0.1, None, 0.5)],
    ids=["better", "worse", "nought", "no-interval"],
)
def test_everything_lies_within_the_number_line(value, interval, margin):
    svg = number_line(value, interval, margin, label="AUC")
    places = [float(x) for x in re.findall(r' x="([-\d.]+)"', svg)] + [
        float(x) for x in re.findall(r'd="M([-\d.]+)', svg)
    ]
    assert len(places) > 4 and all(0 <= x <= 720 for x in places)
    assert ("interval" in svg) == (interval is not None) and ("margin" in svg) == (margin > 0)
