"""From the training split to a fitted model, its scores on the validation split, and the folder that is served."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from components.common.base.errors import Refusal
from components.common.config.base import accept
from components.common.config.estimators import AUTO
from components.common.config.train import TrainArgument
from components.common.inference.plan import noted_of
from components.common.inference.sklearn_predict import answers, ask, classes_of
from components.common.inference.values import converted
from components.common.metrics.baseline import baseline_of, prefixed
from components.common.metrics.scores import class_views, scored
from components.common.metrics.targets import target_values
from components.common.tables.parquet import read_table
from components.train.choice import choose
from components.train.conformal import calibrated
from components.train.feature_block import origins
from components.train.features import plan
from components.train.fit import Fitted, chosen_recipe, fit, named_recipe, settled
from components.train.importance import importance
from components.train.outcome import Trained
from components.train.refusals import refuse_absent, refuse_constant, refuse_unusable
from components.train.shipped import shipped

if TYPE_CHECKING:
    from components.train.compiling import Compiled

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
    asked, transformers = plan(section), shipped()
    recipe = None if section.model == AUTO else named_recipe(section, transformers)
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
    if section.refit:
        missing |= validation[list(asked.raw)].isna().any()
    optional = frozenset(name for name, kind in asked.raw.items() if kind == "text" or missing[name] or name in fill)
    columns = transformers.Columns(asked.raw, list(asked.features), asked.derive, sorted(optional), fill, ways)
    typed, unseen = _typed(columns, table, _TRAINING), _typed(columns, validation, _VALIDATION)
    refuse_unusable(asked, typed)
    choice = None
    if recipe is None:
        with threadpool_limits(1):  # see `fit`
            groups = None if section.group is None else pd.factorize(table[section.group], use_na_sentinel=False)[0]
            choice = choose(section, asked, typed, truth, transformers, groups)
        recipe = chosen_recipe(choice, section, transformers)
    fitted = fit(recipe, section, asked, typed, truth, transformers)
    features = fitted.block.transform(unseen)
    found = answers(fitted.estimator, features)
    served = fitted
    if section.refit:
        rows, values = pd.concat([typed, unseen], ignore_index=True), np.concatenate([truth, held_out])
        served = fit(settled(recipe, fitted), section, asked, rows, values, transformers)
    of, classes = Counter(origins(served.block)), classes_of(fitted.estimator)
    model = _pipeline(columns, served)
    return Trained(
        pipeline=model,
        scored=model if served is fitted else _pipeline(columns, fitted),
        choice=choice,
        plan=served.plan,
        optional=optional,
        complete=tuple(name for name in asked.raw if not missing[name] and name not in fill),
        truth=held_out,
        answers=found,
        scores=scored(held_out, found, classes),
        baseline=baseline_of(truth, section.task),
        importance=importance(fitted.estimator, origins(fitted.block), features, held_out, section.seed),
        width={name: of[name] for name in asked.features},
        rows=(len(table), len(validation)),
        intervals=calibrated(held_out, found, classes, section.intervals) if section.intervals else None,
    )


def _pipeline(columns: Any, fitted: Fitted) -> Pipeline:
    return Pipeline([("columns", columns), ("features", fitted.block), ("model", fitted.estimator)])


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

    from components.train.saving import save_model
    from components.train.train_report import write_report

    metadata = {"framework": "scikit-learn", "model": argument.model, "task": argument.task, "target": argument.target}
    if trained.choice:
        metadata["chosen"] = trained.choice.words
        print(f"train.model auto: {trained.choice.words}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        noted = noted_of(trained.pipeline, argument.task, argument.target)
        noted |= {"complete": trained.complete, "reading": argument.reading.model_dump(exclude_defaults=True)}
        noted["baseline"] = trained.baseline.noted()
        if trained.intervals is not None:
            noted["intervals"] = trained.intervals
        compiled = _compiled(trained, noted, validation, Path(folder))
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
    classes = trained.classes
    views = None if classes is None else class_views(trained.truth, trained.answers, classes)
    metrics = trained.scores.values | prefixed(trained.baseline.scores(trained.truth))
    return {"metrics": metrics, "digest": digest, "metadata": metadata, "views": views}


def _compiled(trained: Trained, noted: dict[str, Any], validation: pd.DataFrame, folder: Path) -> Compiled:
    """Compiles the model that is served; what it was before the refit is proven first, on rows that it has not seen."""
    from components.train.compiling import compile_model

    if trained.scored is trained.pipeline:
        return compile_model(trained.pipeline, noted, validation, trained.answers, folder)
    (folder / "held_out").mkdir()
    before = noted_of(trained.scored, noted["task"], noted["target"])
    proven = compile_model(trained.scored, before, validation, trained.answers, folder / "held_out")
    (folder / "served").mkdir()
    return compile_model(
        trained.pipeline, noted, validation, ask(trained.pipeline, validation), folder / "served", proven
    )
