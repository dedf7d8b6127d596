"""The parts of a report that show how well a model answers; train and evaluate share them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.common.base.numbers import score
from components.common.config.promote import sign_of
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.binary import is_binary
from components.common.metrics.scores import Scores, all_classes, auc_of, coded, confusion, roc_curve
from components.common.reports import charts, html
from components.common.reports.binary_quality import binary_sections
from components.common.reports.regression_quality import regression_sections

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
_MOST_CLASSES = 40
"""Classes of which every cell of the confusion matrix is drawn."""
_MOST_CURVES, _MOST_PAIRS = 15, 50


def title_of(metric: str, classes: Sequence[str] | None = None) -> str:
    """A score's name; of two classes there is but one AUC."""
    return "AUC" if metric == "auc_macro_ovo" and classes and len(classes) == 2 else TITLES.get(metric, metric)


def score_cards(
    scores: Scores, guessed: Mapping[str, float], more: Mapping[str, Any], classes: Sequence[str] | None = None
) -> list[Any]:
    """The scores as cards, each with that of guessing, further figures after them, and what is to be said as warnings.

    Args:
        scores: The model's.
        guessed: Score to what guessing reaches; empty where that is not known.
        more: Name to figure.
        classes: A classifier's classes.
    """
    shown: list[tuple] = []
    behind = []
    for name, value in scores.values.items():
        guess, title = guessed.get(name), title_of(name, classes)
        small = "" if guess is None else f"guessing {score(guess)}"
        no_better = guess is not None and sign_of(name) * (value - guess) <= 0
        behind += [title] if no_better else []
        shown.append((title, html.with_detail(score(value), small), "failed" if no_better else ""))
    warnings = [html.verdict("warning", note) for note in scores.notes]
    if behind:
        warnings.insert(0, html.verdict("failed", f"No better than guessing by {', '.join(behind)}."))
    return [html.cards([*shown, *more.items()]), *warnings]


def answer_sections(
    truth: np.ndarray,
    found: Answers,
    classes: Sequence[str] | None,
    positive: str | int | bool | None = None,
    threshold: float | None = None,
) -> list[Any]:
    """The pictures of a regressor, of a classifier of two classes, or of one of several.

    Args:
        truth: (rows,) true labels or values.
        found: The model's answers.
        classes: A classifier's classes; None of a regressor.
        positive: Which of two classes is looked for; by default the one that is named so, or the second.
        threshold: Its probability from which on a row counts as positive; by default the more probable class counts.
    """
    if classes is None:
        return regression_sections(truth, found.predicted)
    if is_binary(found, classes, truth):
        return binary_sections(truth, found, classes, positive, threshold)
    names = all_classes(truth, classes)
    blocks = [_confusion(confusion(truth, found.predicted, names), names)]
    return blocks if found.probabilities is None else [*blocks, *_curves(truth, found.probabilities, classes, names)]


def _confusion(matrix: np.ndarray, names: Sequence[str]) -> Any:
    if len(names) <= _MOST_CLASSES:
        note = "Rows are true, columns predicted classes; colours are shares of the row."
        return html.section("Confusion matrix", html.figure(charts.heatmap(matrix, names)), note=note)
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    rows = matrix.sum(axis=1)
    places = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [(at // len(names), at % len(names)) for at in places.tolist() if wrong.flat[at]]
    return html.section(
        "Most frequent confusions",
        html.table(
            ["true", "predicted", "rows", "share of the true class"],
            [[names[i], names[j], int(wrong[i, j]), f"{wrong[i, j] / rows[i]:.1%}"] for i, j in pairs],
            numeric=["rows", "share of the true class"],
        ),
        note=f"Of {len(names):,} classes; {int(np.trace(matrix)):,} of {int(rows.sum()):,} rows are right.",
    )


def _curves(truth: np.ndarray, probabilities: np.ndarray, classes: Sequence[str], names: Sequence[str]) -> list[Any]:
    codes, curves = coded(truth, names), []
    for at, name in enumerate(classes):
        positive = codes == at
        if 0 < positive.sum() < len(codes) and (len(classes) > 2 or at == 1):
            x, y, _ = roc_curve(positive, probabilities[:, at])
            curves.append((auc_of(x, y), name, x, y))
    if not curves:
        return []
    note = "Each class against the rest, its AUC in brackets; the dashed line is guessing."
    if len(curves) > _MOST_CURVES:
        note += f" Of {len(curves)} classes the {_MOST_CURVES} of the lowest AUC."
        curves = sorted(curves, key=lambda curve: curve[:2])[:_MOST_CURVES]
    picture = charts.lines(
        {f"{name} ({area:.3f})": (x, y) for area, name, x, y in curves},
        x_label="false positive rate",
        y_label="true positive rate",
        diagonal=True,
        width=720,
        height=440,
    )
    return [html.section("ROC curves", html.figure(picture), note=note)]
