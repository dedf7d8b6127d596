"""Scoring the saved model on rows that no choice was made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.config.base import accept
from components.common.config.evaluate import EvaluateArgument
from components.common.inference.saved_model import load, refuse_absent
from components.common.inference.sklearn_predict import ask, classes_of, unwrapped
from components.common.metrics.baseline import Baseline, prefixed, saved_baseline
from components.common.metrics.binary import positive_of
from components.common.metrics.scores import all_classes, class_views, scored
from components.common.metrics.slices import refuse_unknown_slices
from components.common.metrics.targets import target_values
from components.common.tables.parquet import read_table
from components.evaluate.coverage import coverage, saved_intervals
from components.evaluate.outcome import Evaluated
from components.evaluate.slices import slices_of_class, slices_of_column

if TYPE_CHECKING:
    import pandas as pd

    from components.common.inference.intervals import Intervals

_TEST = "test split"


def evaluate(
    section: EvaluateArgument,
    pipeline: Any,
    table: pd.DataFrame,
    baseline: Baseline | None = None,
    intervals: Intervals | None = None,
) -> Evaluated:
    """Scores a model on a table, as a whole and slice by slice.

    Args:
        section: What to look at.
        pipeline: A saved scikit-learn Pipeline.
        table: The test split, with all columns of the model's signature.
        baseline: What guessing is made of, where the model tells.
        intervals: What adds intervals or sets to its answers, where it was trained with them.

    Raises:
        Refusal: A slice column is absent, the target is not fit to score, or the model is for another task.
    """
    refuse_unknown_slices(section.slices, table, _TEST)
    classes = classes_of(pipeline[-1])
    if (classes is None) != (section.task == "regression"):
        kind = "a regressor" if classes is None else "a classifier"
        raise Refusal(f"the model is {kind}", where="evaluate", rule=f"a model for the task {section.task}")
    truth = target_values(table, section.target, section.task, _TEST)
    try:
        found = ask(pipeline, table)
    except ValueError as error:
        raise Refusal(f"the model cannot answer: {error}", where=_TEST) from error
    slices = {}
    if classes is not None:
        names = all_classes(truth, classes)
        slices[f"class of {section.target}"] = slices_of_class(truth, found, names, section.min_slice_rows)
    for name in section.slices:
        if name != section.target or classes is None:
            slices[name] = slices_of_column(table[name], truth, found, classes, section.min_slice_rows)
    guessed = {} if baseline is None else baseline.scores(truth)
    covered = None if intervals is None else coverage(truth, found, intervals)
    return Evaluated(truth, found, classes, scored(truth, found, classes), guessed, slices, covered)


def evaluate_file(
    section: dict[str, Any],
    model_path: str,
    test_path: str,
    report_path: str,
    facts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Scores a saved model on a parquet file and writes the report.

    Args:
        section: The step's argument, `EvaluateArgument`.
        model_path: The folder of the saved model.
        test_path: The test split.
        report_path: The HTML page to write.
        facts: Name to text, for its head.

    Returns:
        metrics (name to score, `baseline_NAME` to that of guessing, where the model tells what to guess by, `coverage`
        and the mean size of intervals or sets, where it has them) and views (what `class_views` returns; None of a
        regressor).
    """
    argument = accept(EvaluateArgument, section, "section evaluate")
    pipeline, description = load(model_path)
    table = read_table(test_path)
    refuse_absent(description, table, model_path)
    positive = _positive(argument, classes_of(pipeline[-1]))
    evaluated = evaluate(argument, pipeline, table, saved_baseline(model_path), saved_intervals(model_path))

    from components.evaluate.evaluate_report import write_report

    write_report(report_path, argument, evaluated, facts or {}, type(unwrapped(pipeline[-1])).__name__)
    views = None
    if evaluated.classes is not None:
        views = class_views(evaluated.truth, evaluated.answers, evaluated.classes, positive)
    metrics = evaluated.scores.values | prefixed(evaluated.guessed)
    if evaluated.coverage is not None:
        metrics |= evaluated.coverage.metrics
    return {"metrics": metrics, "views": views}


def _positive(section: EvaluateArgument, classes: list[str] | None) -> str | None:
    """The positive class of a classifier of two classes; None of any other model."""
    if classes is not None and len(classes) == 2:
        return positive_of(classes, section.positive_class)
    for name in ("positive_class", "threshold"):
        if (value := getattr(section, name)) is not None and classes is not None:
            raise Refusal(f"the model has {len(classes)} classes", where=f"evaluate.{name}", value=value, rule="two")
    return None
