"""How well a classifier of two classes answers: its curves, its calibration, and what each threshold comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple
from typing import Any

import numpy as np

from components.common.base.numbers import score, written
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.binary import (
    THRESHOLDS,
    calibration,
    counted,
    positive_of,
    precision_recall,
    said_at,
)
from components.common.metrics.scores import auc_of, confusion, roc_curve
from components.common.reports import charts, html

SERVED = 0.5
"""The threshold of the more probable of two classes, which is what a served model answers."""


def binary_sections(
    truth: np.ndarray,
    found: Answers,
    classes: Sequence[str],
    asked: str | int | bool | None = None,
    threshold: float | None = None,
) -> list[Any]:
    """The pictures of a classifier of two classes, all of its positive class.

    Args:
        truth: (rows,) true labels; both classes are there.
        found: The model's answers, with probabilities.
        classes: Both.
        asked: The positive class; by default the one that is named so, or the second.
        threshold: Its probability from which on a row counts as positive; by default the more probable class counts.
    """
    assert found.probabilities is not None
    positive = positive_of(classes, asked)
    chance = found.probabilities[:, list(classes).index(positive)]
    real = truth == positive
    said = found.predicted if threshold is None else said_at(chance, classes, positive, threshold)
    where = "" if threshold is None else f" at the threshold {written(threshold)}"
    rows = _rows(real, chance, found.predicted == positive, threshold)
    at = counted(real, said == positive)
    cards = {f"F1 of {positive}": at.f1, "Precision": at.precision, "Recall": at.recall}
    if threshold is not None:  # else it is that of the model, which stands above
        cards["Accuracy"] = at.accuracy
    return [
        html.section(
            f"Confusion matrix{where}",
            html.cards({f"{name}{where and f' at {written(threshold)}'}": score(one) for name, one in cards.items()}),
            html.figure(charts.heatmap(confusion(truth, said, list(classes)), list(classes))),
            note="Rows are true, columns predicted classes; colours are shares of the row.",
        ),
        html.section(
            f"Positive class: {positive}",
            html.gallery(*_pictures(real, chance, positive), least=330),
            note=f"{'Named in the config' if asked is not None else 'By its name or order'} "
            f"(evaluate.positive_class); {int(real.sum()):,} of {len(real):,} rows ({real.mean():.1%}) are of it. "
            "Dashed lines are guessing; of the calibration, a model whose probabilities hold.",
        ),
        html.section(
            "Thresholds",
            html.table(
                ["threshold", "flagged", "false alarms", "missed", "precision", "recall", "F1", "accuracy", ""],
                rows,
                row_classes=["warning" if row[0] == threshold else "" for row in rows],
            ),
            note=f"What it comes to if a row counts as {positive} from some probability on. evaluate.threshold chooses "
            "one for this report; a served model answers the more probable class, with its probability beside it.",
        ),
    ]


def _pictures(real: np.ndarray, chance: np.ndarray, positive: str) -> list[Any]:
    x, y, _ = roc_curve(real, chance)
    recall, precision, average = precision_recall(real, chance)
    told, became, off = calibration(real, chance)
    size: dict[str, Any] = {"shares": True, "width": 360, "height": 330}
    roc = charts.lines(
        {f"{positive}, AUC {auc_of(x, y):.3f}": (x, y)},
        x_label="false positive rate",
        y_label="true positive rate (recall)",
        diagonal=True,
        label=f"ROC curve of {positive}",
        **size,
    )
    curve = charts.lines(
        {f"{positive}, average precision {average:.3f}": (recall, precision)},
        x_label="recall",
        y_label="precision",
        level=float(real.mean()),
        label=f"precision-recall curve of {positive}",
        **size,
    )
    held = charts.lines(
        {f"{positive}, off by {off:.3f} on average": (told, became)},
        x_label="probability that the model gives",
        y_label="share that is so",
        diagonal=True,
        dots=True,
        label=f"calibration of {positive}",
        **size,
    )
    return [
        html.figure(roc, "ROC curve"),
        html.figure(curve, "Precision-recall curve"),
        html.figure(held, "Calibration", "each point a tenth of the rows"),
    ]


def _rows(real: np.ndarray, chance: np.ndarray, served: np.ndarray, threshold: float | None) -> list[list[Any]]:
    """The table's rows; where nothing is chosen, that of 0.5 is what the model itself answers, ties too."""
    rows = []
    for at in sorted({*THRESHOLDS, SERVED, *([] if threshold is None else [threshold])}):
        flagged = served if at == SERVED and threshold is None else chance >= at
        mark = html.badge("passed", "chosen") if at == threshold else html.badge("", "served") if at == SERVED else ""
        rows.append([at, *astuple(counted(real, flagged)), mark])
    return rows
