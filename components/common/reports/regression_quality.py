"""How well a regressor answers: its predictions, its errors, and where they are large."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.common.base.numbers import signed, written
from components.common.metrics.residuals import QUANTILES, Part, quantiles, residual_parts
from components.common.reports import charts, html
from components.common.reports.span_chart import spans

_DIFFERENCE = "predicted - true"
_SIZE: dict[str, Any] = {"width": 360, "height": 300}


def regression_sections(truth: np.ndarray, predicted: np.ndarray) -> list[Any]:
    """The pictures of a regressor.

    Args:
        truth: (rows,) true values.
        predicted: (rows,) predictions, in the same unit.
    """
    residual = predicted - truth
    by_target, by_predicted = residual_parts(truth, residual), residual_parts(predicted, residual)
    return [
        html.section(
            "Predictions",
            html.gallery(
                html.figure(
                    charts.scatter(truth, predicted, x_label="true", y_label="predicted", identity=True, **_SIZE),
                    "Predicted over true values",
                ),
                html.figure(
                    charts.scatter(
                        predicted, residual, x_label="predicted", y_label=_DIFFERENCE, zero_line=True, **_SIZE
                    ),
                    "Residuals over predictions",
                ),
                html.figure(charts.histogram(residual, label="residual", **_SIZE), "Residuals", _DIFFERENCE),
            ),
            note="At most 2,000 rows are drawn.",
        ),
        _quantiles(residual),
        html.section(
            "Errors by size",
            html.gallery(
                html.figure(_spans(by_target), "By the true value", "5 % to 95 % of the errors, their median"),
                html.figure(_spans(by_predicted), "By the predicted value", "likewise"),
                least=360,
            ),
            _table("true value", by_target),
            note="Each line is about a tenth of the rows. Predictions lean towards the middle, also those of a good "
            "model: low true values come out too high, high ones too low. By the predicted value a line far from 0 is "
            "a fault that whoever uses the prediction meets.",
        ),
    ]


def _quantiles(residual: np.ndarray) -> Any:
    found = quantiles(residual)
    low, _, _, _, high = (signed(one, zeros=False) for one in found)
    cards = {
        f"{share * 100:.0f} % are below": signed(one, zeros=False) for share, one in zip(QUANTILES, found, strict=True)
    }
    note = f"90 % of the errors ({_DIFFERENCE}) are between {low} and {high}."
    return html.section("Size of the errors", html.cards(cards), note=note)


def _spans(parts: list[Part]) -> str:
    values = [(one.quantiles[0], one.quantiles[2], one.quantiles[-1]) for one in parts]
    return spans([_range(one) for one in parts], values, x_label=_DIFFERENCE, width=400)


def _range(one: Part) -> str:
    return written(one.low) if one.low == one.high else f"{written(one.low)} to {written(one.high)}"


def _table(head: str, parts: list[Part]) -> Any:
    numeric = ["rows", "MAE", f"mean of {_DIFFERENCE}"]
    rows = [[_range(one), one.rows, one.error, signed(one.bias, zeros=False)] for one in parts]
    return html.table([head, *numeric], rows, numeric=numeric)
