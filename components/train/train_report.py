"""The report of a training: scores on the validation split, what the model looks at, and how it was made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from components.common.base.errors import some
from components.common.base.numbers import written
from components.common.inference.sklearn_predict import unwrapped
from components.common.reports import charts, html
from components.common.reports.model_quality import answer_sections, score_cards
from components.train.choice_report import choice_section

if TYPE_CHECKING:
    from components.common.config.train import TrainArgument
    from components.train.compiling import Compiled
    from components.train.importance import Importance
    from components.train.outcome import Trained

_SHOWN = 30
"""Columns whose importance is drawn."""
_WORDS = {
    "compiled": "the compiled model",
    "compiled features": "scikit-learn's estimator, on compiled features",
    "scikit-learn": "scikit-learn",
}


def write_report(
    path: str | os.PathLike[str],
    section: TrainArgument,
    trained: Trained,
    facts: Mapping[str, str],
    compiled: Compiled | None = None,
) -> None:
    """Writes the page.

    Args:
        path: Where to.
        section: What was asked for.
        trained: What came of it.
        facts: Name to text, for the head.
        compiled: What became of compiling it.
    """
    estimator = unwrapped(trained.pipeline[-1])
    name = trained.choice.words if trained.choice else type(estimator).__name__
    rows, held_out = trained.rows
    classes = trained.classes
    figures = {"Training rows": rows, "Validation rows": held_out, "Features": sum(trained.width.values())}
    html.write_page(
        path,
        html.page(
            f"Training: {section.target}",
            f"{section.task} by {name}; {_learnt(trained)}",
            *score_cards(trained.scores, trained.baseline.scores(trained.truth), figures, classes),
            *answer_sections(trained.truth, trained.answers, classes),
            *([choice_section(trained.choice)] if trained.choice else []),
            _importance(trained.importance),
            _features(trained),
            *([_serving(compiled, trained.intervals)] if compiled else []),
            *_hyperparameters(section, trained, estimator),
            facts=facts,
        ),
    )


def _importance(found: Importance) -> Any:
    shown = dict(list(found.columns.items())[:_SHOWN])
    aside = len(found.columns) - len(shown)
    note = f"{found.by[0].upper()}{found.by[1:]}. About 0, or less: the model would miss nothing without the column; "
    note += "of columns that tell the same, each may look so."
    note += f" {aside:,} more, which matter less, are not shown." if aside else ""
    if found.others:
        note += f" {found.others:,} columns were left aside by groups; dealt anew all together they cost "
        note += f"{written(found.rest)}."
    picture = charts.bars(list(shown), list(shown.values()), label="importance of columns")
    return html.section("Importance of columns", html.figure(picture), note=note)


def _features(trained: Trained) -> Any:
    plan = trained.plan
    shares = trained.choice.members if trained.choice else []
    rows = [
        [name, kind, _words(plan.settings[name]), _made_of(plan.derive.get(name)), trained.width[name]]
        for name, kind in plan.features.items()
    ]
    return html.section(
        "Features",
        html.table(["column", "kind", "settings", "made of", "features"], rows),
        note=f"The model makes them itself of the raw columns {some(list(plan.raw))}."
        + (" Settings are those of the first member; features are counted over all." if len(shares) > 1 else ""),
    )


def _serving(compiled: Compiled, intervals: dict[str, Any] | None) -> Any:
    rows: list[list[Any]] = [
        ["answered by", _WORDS[compiled.path]],
        *([["why not more", compiled.why]] if compiled.why else []),
        ["validation rows compared with scikit-learn", compiled.rows],
        ["largest difference", written(compiled.difference) if compiled.rows else "–"],
    ]
    if intervals is not None:
        parts = f"{len(intervals['low'])} parts of the predicted values" if "low" in intervals else "each class"
        rows.append(["intervals" if "low" in intervals else "sets", f"of {intervals['level']:.0%}, for {parts}"])
    note = "The compiled form serves only if it gives every validation row the class that scikit-learn gives it."
    return html.section("Serving", html.table(["", ""], rows), note=note)


def _made_of(way: dict[str, Any] | None) -> str:
    if way is None:
        return "itself"
    key, sign = next(
        (key, sign) for key, sign in (("join", " + "), ("ratio", " / "), ("difference", " - ")) if key in way
    )
    return sign.join(way[key])


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in settings.items())


def _learnt(trained: Trained) -> str:
    """What the scores are of, and what is served."""
    scores = "scores are of the validation split"
    if trained.scored is trained.pipeline:
        return scores
    return f"{scores}, before the model that is served learnt from its rows too"


def _hyperparameters(section: TrainArgument, trained: Trained, estimator: Any) -> Iterator[Any]:
    """A section for each estimator that has a share in the answers."""
    members = getattr(trained.pipeline[-1], "members", None)
    given = {} if trained.choice else {**section.hyperparameters, "random_state": section.seed}
    for title, one in [(f" of {name}", one) for name, *_, one in members] if members else [("", estimator)]:
        rows = [
            [name, str(value), "config" if name in given else "auto" if trained.choice else "default"]
            for name, value in one.get_params(deep=False).items()
        ]
        yield html.section(f"Hyperparameters{title}", html.table(["name", "value", "set by"], rows))
