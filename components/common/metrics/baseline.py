"""What guessing scores: the answers of a model that knows the target's training values and nothing of a row.

Each score is guessed at as well as it can be without looking at a row; a model that does no better has learnt nothing
that this score sees.

| score | the guess |
| --- | --- |
| accuracy | the most frequent class |
| log_loss, auc_macro_ovo | the class shares as probabilities; the AUC of equal answers is 0.5 |
| f1_macro | classes dealt by their shares: the most frequent one alone would be too easy to beat |
| rmse, r2 | the mean |
| mae | the median |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.config.promote import BASELINE, OF_TASK
from components.common.inference.plan import saved_plan
from components.common.inference.sklearn_predict import Answers
from components.common.metrics.scores import scored

if TYPE_CHECKING:
    from components.common.config.base import Task

_SEED = 0


@dataclass(frozen=True)
class Baseline:
    """The training values of a target, as far as guessing needs them."""

    shares: dict[str, float] | None = None
    """Class to its share of the training rows, in the order of the classes; None of a regression."""
    mean: float = 0.0
    """Of a regression's target."""
    median: float = 0.0
    """Likewise."""

    @property
    def classes(self) -> list[str] | None:
        """The classes in the order of the probabilities; None of a regression."""
        return None if self.shares is None else list(self.shares)

    def answers(self, rows: int, metric: str) -> Answers:
        """Guesses.

        Args:
            rows: How many.
            metric: The score that they are guessed for.

        Returns:
            Answers as a model gives them; the same each time.
        """
        if self.shares is None:
            return Answers(np.full(rows, self.median if metric == "mae" else self.mean))
        classes, shares = np.array(list(self.shares), dtype=object), np.array(list(self.shares.values()))
        if metric == "f1_macro":
            dealt = shares.cumsum().searchsorted((np.arange(rows) + 0.5) / rows).clip(max=len(shares) - 1)
            return Answers(classes[np.random.default_rng(_SEED).permutation(dealt)])
        return Answers(np.full(rows, classes[shares.argmax()], dtype=object), np.tile(shares, (rows, 1)))

    def scores(self, truth: np.ndarray) -> dict[str, float]:
        """What guessing scores on some rows.

        Args:
            truth: (rows,) labels as strings, or values.

        Returns:
            Score to value, of those that a model could have.
        """
        task, apart = ("regression", "mae") if self.shares is None else ("classification", "f1_macro")
        of_apart, others = (
            scored(truth, self.answers(len(truth), metric), self.classes).values for metric in (apart, "")
        )
        return {name: (of_apart if name == apart else others)[name] for name in OF_TASK[task] if name in others}

    def noted(self) -> dict[str, Any]:
        """The baseline as JSON has it; `Baseline(**noted)` is the way back."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def baseline_of(truth: np.ndarray, task: Task) -> Baseline:
    """The baseline of a training target.

    Args:
        truth: (rows,) labels as strings, or values; at least one row.
        task: classification or regression.
    """
    if task == "regression":
        return Baseline(mean=float(truth.mean()), median=float(np.median(truth)))
    classes, counts = np.unique(truth, return_counts=True)
    return Baseline({str(name): count / len(truth) for name, count in zip(classes, counts.tolist(), strict=True)})


def prefixed(scores: Mapping[str, float]) -> dict[str, float]:
    """Scores of guessing under the names that they have among a model's own."""
    return {f"{BASELINE}{name}": value for name, value in scores.items()}


def saved_baseline(folder: str | Path) -> Baseline | None:
    """The baseline of a saved model's training target; None of a model that was saved without one.

    Args:
        folder: The model, as the step train has saved it.

    Raises:
        Refusal: What is noted of the model is damaged.
    """
    plan = saved_plan(folder)
    noted = None if plan is None else plan.raw.get("baseline")
    return None if noted is None else Baseline(**noted)
