"""The report of a batch, written of what a real model has answered."""

import pytest

from components.common.base.numbers import written
from components.common.reports import html
from components.train.tests.trees import trees


def test_the_classes_that_were_predicted_are_counted(answer):
    done = answer(trees(90, seed=7))
    counts = done.predictions["prediction"].value_counts()
    assert len(counts) == 3
    for name, count in counts.items():
        assert f"<td>{name}</td>" in done.report and f">{count}<" in done.report
    assert "All rows were answered." in done.report and "Refused rows" not in done.report


def test_predicted_numbers_are_shown_from_the_least_to_the_greatest(answer):
    done = answer(trees(90, seed=7), "regression")
    values = done.predictions["prediction"]
    assert "Predictions of age" in done.report and "<svg" in done.report and "Classes" not in done.report
    assert f"{written(values.min())} to {written(values.max())}, mean " in done.report


@pytest.mark.parametrize(
    ("refused", "kind", "words"),
    [
        pytest.param(0, "passed", "All rows were answered.", id="none"),
        pytest.param(5, "warning", "5 of 50 rows (10 %) were refused.", id="some"),
    ],
)
def test_the_verdict_says_how_many_rows_were_refused(answer, refused, kind, words):
    table = trees(50, seed=7).astype({"girth": object})
    table["girth"] = [None if value != value else str(value) for value in table["girth"]]
    table.loc[range(refused), "girth"] = "thick"
    report = answer(table).report
    assert str(html.verdict(kind, words)) in report
    assert ("Refused rows" in report) == bool(refused)


def test_a_refused_value_is_shown_with_its_first_row_and_is_no_markup(answer):
    table = trees(50, seed=7).astype({"girth": object})
    table["girth"] = [None if value != value else str(value) for value in table["girth"]]
    table.loc[[11, 30], "girth"] = "<b>thick</b>"
    report = answer(table).report
    assert "&lt;b&gt;thick&lt;/b&gt;" in report and "<b>thick</b>" not in report
    assert ">12<" in report, "rows are counted from 1"


def test_values_that_training_did_not_know_are_counted_by_column(answer):
    table = trees(50, seed=7)
    table.loc[[1, 2, 3], "bark"] = "birch"
    table.loc[4, "place"] = "moor"
    done = answer(table)
    assert done.counts["unknown_values"] == 4 and done.counts["answered"] == 50
    assert "Values that training did not know" in done.report
    assert "6 %" in done.report and "2 %" in done.report
