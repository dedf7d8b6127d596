"""The parts of a report that show how well a model answers; train and evaluate share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.common.base.numbers import written
from components.common.config.promote import sign_of
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import Scores, all_classes, auc_of, coded, confusion, roc_curve
from components.common.reports import charts, html

TITLES = {
    "auc_macro_ovo": "AUC (macro, one-vs-one)",
    "f1_macro": "F1 (macro)",
    "accuracy": "Accuracy",
    "log_loss": "Log loss",
    "r2": "R²",
    "mae": "MAE",
    "rmse": "RMSE",
}
"""Score to the name that people read."""


def score_cards(scores: Scores, guessed: Mapping[str, float], more: Mapping[str, Any]) -> list[Any]:
    """The scores as cards, each with that of guessing, further figures after them, and what is to be said as warnings.

    Args:
        scores: The model's.
        guessed: Score to what guessing reaches; empty where that is not known.
        more: Name to figure.
    """
    shown: list[tuple] = []
    behind = []
    for name, value in scores.values.items():
        guess = guessed.get(name)
        small = "" if guess is None else f"guessing {written(guess)}"
        no_better = guess is not None and sign_of(name) * (value - guess) <= 0
        behind += [TITLES[name]] if no_better else []
        shown.append((TITLES[name], html.with_detail(value, small), "failed" if no_better else ""))
    warnings = [html.verdict("warning", note) for note in scores.notes]
    if behind:
        warnings.insert(0, html.verdict("failed", f"No better than guessing by {', '.join(behind)}."))
    return [html.cards([*shown, *more.items()]), *warnings]


def answer_sections(truth: np.ndarray, found: Answers, classes: Sequence[str] | None) -> list[Any]:
    """The pictures of a classifier (confusion matrix, ROC curves) or of a regressor (predictions, residuals).

    Args:
        truth: (rows,) true labels or values.
        found: The model's answers.
        classes: A classifier's classes; None of a regressor.
    """
    return _regressor(truth, found.predicted) if classes is None else _classifier(truth, found, classes)


def _classifier(truth: np.ndarray, found: Answers, classes: Sequence[str]) -> list[Any]:
    names = all_classes(truth, classes)
    matrix = charts.heatmap(confusion(truth, found.predicted, names), names)
    blocks = [
        html.section(
            "Confusion matrix",
            html.figure(matrix),
            note="Rows are true, columns predicted classes; colours are shares of the row.",
        )
    ]
    if found.probabilities is None:
        return blocks
    codes, curves = coded(truth, names), {}
    for at, name in enumerate(classes):
        positive = codes == at
        if 0 < positive.sum() < len(codes) and (len(classes) > 2 or at == 1):
            x, y, _ = roc_curve(positive, found.probabilities[:, at])
            curves[f"{name} ({auc_of(x, y):.3f})"] = (x, y)
    if curves:
        picture = charts.lines(
            curves, x_label="false positive rate", y_label="true positive rate", diagonal=True, width=720, height=440
        )
        blocks.append(
            html.section(
                "ROC curves",
                html.figure(picture),
                note="Each class against the rest, its AUC in brackets; the dashed line is guessing.",
            )
        )
    return blocks


def _regressor(truth: np.ndarray, predicted: np.ndarray) -> list[Any]:
    residual = predicted - truth
    return [
        html.section(
            "Predictions",
            html.gallery(
                html.figure(
                    charts.scatter(truth, predicted, x_label="true", y_label="predicted", identity=True),
                    "Predicted over true values",
                ),
                html.figure(
                    charts.scatter(
                        predicted, residual, x_label="predicted", y_label="predicted - true", zero_line=True
                    ),
                    "Residuals over predictions",
                ),
                html.figure(charts.histogram(residual, label="residual"), "Residuals", "predicted - true"),
            ),
            note="At most 2,000 rows are drawn.",
        )
    ]
