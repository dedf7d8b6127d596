"""From the training split to a fitted model, its scores on the validation split, and the folder that is served."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.config.base import accept
from components.common.config.train import TrainArgument
from components.common.inference.plan import noted_of
from components.common.inference.sklearn_predict import answers, classes_of
from components.common.inference.values import converted
from components.common.metrics.baseline import baseline_of, prefixed
from components.common.metrics.scores import class_views, scored
from components.common.metrics.targets import target_values
from components.common.tables.parquet import read_table
from components.train.conformal import calibrated
from components.train.feature_block import feature_block, native_features, origins, target_type
from components.train.features import plan
from components.train.importance import importance
from components.train.models import OTHER_ERRORS, make_estimator, wrapped
from components.train.outcome import Trained
from components.train.refusals import refuse_absent, refuse_constant, refuse_unusable
from components.train.shipped import shipped
from components.train.styles import resolved, style_of, takes_categories

if TYPE_CHECKING:
    import pandas as pd

_TRAINING, _VALIDATION = "training split", "validation split"


def train(section: TrainArgument, table: pd.DataFrame, validation: pd.DataFrame) -> Trained:
    """Fits the model that a section asks for and scores it on the validation split.

    Args:
        section: What to train.
        table: The training split; the columns of the clean table.
        validation: The validation split.

    Returns:
        The fitted pipeline (raw columns to answers; it asks one thread, so that answers are the same each time) and
        its scores.

    Raises:
        Refusal: The section or the table does not allow it.
    """
    from sklearn.pipeline import Pipeline

    asked, transformers = plan(section), shipped()
    estimator = wrapped(make_estimator(section), section, transformers)
    for split, name in ((table, _TRAINING), (validation, _VALIDATION)):
        refuse_absent(asked, split, name)
    truth = target_values(table, section.target, section.task, _TRAINING)
    held_out = target_values(validation, section.target, section.task, _VALIDATION)
    refuse_constant(section, truth)
    ways = section.reading.ways(asked.raw)
    fill = {
        name: converted([section.fill[name]], kind, ways.get(name))[0][0]
        for name, kind in asked.raw.items()
        if name in section.fill
    }
    missing = table[list(asked.raw)].isna().any()
    optional = frozenset(name for name, kind in asked.raw.items() if kind == "text" or missing[name] or name in fill)
    columns = transformers.Columns(asked.raw, list(asked.features), asked.derive, sorted(optional), fill, ways)
    typed, unseen = _typed(columns, table, _TRAINING), _typed(columns, validation, _VALIDATION)
    refuse_unusable(asked, typed)
    sparse = bool(estimator.__sklearn_tags__().input_tags.sparse)
    asked = resolved(asked, style_of(estimator), takes_categories(estimator), typed)
    block = feature_block([asked], transformers, typed, sparse, target_type(section.task, truth), section.seed)
    try:
        made = block.fit_transform(typed, truth)
        if native := native_features(block):
            estimator.set_params(categorical_features=native)
        estimator.fit(made, truth)
    except Exception as error:
        if not isinstance(error, ValueError | TypeError) and type(error).__name__ not in OTHER_ERRORS:
            raise
        raise Refusal(f"{section.model} cannot be fitted: {error}", where="train") from error
    if estimator.get_params(deep=False).get("n_jobs") is not None:
        estimator.n_jobs = 1
    features, of = block.transform(unseen), origins(block)
    found = answers(estimator, features)
    return Trained(
        pipeline=Pipeline([("columns", columns), ("features", block), ("model", estimator)]),
        plan=asked,
        optional=optional,
        complete=tuple(name for name in asked.raw if not missing[name] and name not in fill),
        truth=held_out,
        answers=found,
        scores=scored(held_out, found, classes_of(estimator)),
        baseline=baseline_of(truth, section.task),
        importance=importance(estimator, of, features, held_out, section.seed),
        width={name: of.count(name) for name in asked.features},
        rows=(len(table), len(validation)),
        intervals=calibrated(held_out, found, classes_of(estimator), section.intervals) if section.intervals else None,
    )


def _typed(columns: Any, table: pd.DataFrame, where: str) -> pd.DataFrame:
    try:
        return columns.transform(table)
    except ValueError as error:
        raise Refusal(str(error), where=where, rule="values of the declared kind") from error


def train_file(
    section: dict[str, Any],
    train_path: str,
    validation_path: str,
    model_path: str,
    report_path: str,
    facts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Trains on parquet files, saves the model and writes the report.

    Args:
        section: The step's argument, `TrainArgument`.
        train_path: The training split.
        validation_path: The validation split.
        model_path: The folder of the model to write.
        report_path: The HTML page to write.
        facts: Name to text, for its head.

    Returns:
        metrics (name to score on the validation split, and `baseline_NAME` to that of guessing), digest (of the model's
        folder), metadata (what describes the model), and views (what `class_views` returns; None of a regressor).
    """
    table, validation = read_table(train_path), read_table(validation_path)
    argument = accept(TrainArgument, section, "section train").of_table(list(table.columns))
    trained = train(argument, table, validation)

    from components.train.compiling import compile_model
    from components.train.saving import save_model
    from components.train.train_report import write_report

    metadata = {"framework": "scikit-learn", "model": argument.model, "task": argument.task, "target": argument.target}
    with tempfile.TemporaryDirectory() as folder:
        noted = noted_of(trained.pipeline, argument.task, argument.target)
        noted |= {"complete": trained.complete, "reading": argument.reading.model_dump(exclude_defaults=True)}
        noted["baseline"] = trained.baseline.noted()
        if trained.intervals is not None:
            noted["intervals"] = trained.intervals
        compiled = compile_model(trained.pipeline, noted, validation, trained.answers, Path(folder))
        metadata |= {"answers": compiled.path, **({"not_compiled": compiled.why} if compiled.why else {})}
        digest = save_model(
            trained.pipeline,
            model_path,
            raw=trained.plan.raw,
            optional=trained.optional,
            table=table,
            task=argument.task,
            metadata=metadata,
            compiled=compiled.folder,
            intervals=trained.intervals is not None,
        )
    write_report(report_path, argument, trained, facts or {}, compiled)
    classes = classes_of(trained.pipeline[-1])
    views = None if classes is None else class_views(trained.truth, trained.answers, classes)
    metrics = trained.scores.values | prefixed(trained.baseline.scores(trained.truth))
    return {"metrics": metrics, "digest": digest, "metadata": metadata, "views": views}
