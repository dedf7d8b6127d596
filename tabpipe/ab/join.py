"""Logged predictions and outcomes brought together, and what was left out on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, shorten
from components.common.inference.values import converted, text_of
from tabpipe.ab.outcomes import Outcomes

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Joined:
    """Predictions with what turned out to be true."""

    rows: pd.DataFrame
    """id, key, request_id, row, time, role, version, shadow, predicted, probabilities, classes, truth."""
    logged: pd.DataFrame
    """All predictions of the period, those without outcome too: time, key, role, version, shadow, known (bool)."""
    task: str
    """classification or regression."""
    counts: dict[str, int]
    """What was found and what was left out."""


def joined(log: pd.DataFrame, outcomes: Outcomes) -> Joined:
    """Joins predictions with outcomes by id.

    A prediction's id is that of its row where the request had one; else it is the request's id where the request had
    one row, and REQUEST/ROW where it had more. Of an id that a version was asked for more than once, the last
    prediction counts; where outcomes have a time, the last one before it.

    Args:
        log: Predictions in the order of time.
        outcomes: What turned out to be true.

    Raises:
        Refusal: No prediction has an outcome, or the log mixes classes and numbers.
    """
    task = _task(log)
    log = log.assign(
        predicted=log["value"] if task == "regression" else log["prediction"].astype(object),
        id=_ids(log),
        version=log["version"].astype(str),
    )
    table = outcomes.table
    table = table.assign(id=_one_rowed(table["id"], log["id"]))
    found = log.merge(table.rename(columns={"time": "known_at"}), on="id", how="left")
    known = found["truth"].notna()
    late = known & (found["time"] > found["known_at"]) if "known_at" in found else known & False
    if not known.any():
        _refuse_strangers(log, table)
    rows = found[known & ~late]
    last = rows.drop_duplicates(["id", "role", "version", "shadow"], keep="last")
    counts = {
        "predictions": len(log),
        "requests": int(log["request_id"].nunique()),
        "ids_without_outcome": int(found.loc[~known, "id"].nunique()),
        "predictions_after_their_outcome": int(late.sum()),
        "predictions_of_an_id_asked_again": len(rows) - len(last),
        "outcomes": outcomes.rows,
        "outcomes_without_prediction": int((~table["id"].isin(log["id"])).sum()),
        "outcomes_without_id_or_truth": outcomes.empty,
        "outcomes_repeated": outcomes.repeated,
        "outcomes_contradicting": outcomes.contradicting,
    }
    columns = ["id", "key", "request_id", "row", "time", "role", "version", "shadow"]
    last = last[[*columns, "predicted", "probabilities", "classes", "truth"]].reset_index(drop=True)
    seen = found[["time", "key", "role", "version", "shadow"]].assign(known=known)
    return Joined(_with_truth(last, task, outcomes.way), seen, task, counts)


def _task(log: pd.DataFrame) -> str:
    numbers = log["value"].notna()
    if numbers.any() and not numbers.all():
        raise Refusal(
            "some predictions are numbers and some are classes",
            where="request log",
            mend="take a time, by --since and --until, in which the model was of one kind",
        )
    return "regression" if numbers.any() else "classification"


def _ids(log: pd.DataFrame) -> pd.Series:
    """(rows,) what each prediction is known by."""
    alone = log.groupby("request_id")["row"].transform("max") == 0
    many = log["request_id"] + "/" + log["row"].astype(str)
    own = log["id"].map(text_of, na_action="ignore").astype(object)
    return own.where(own.notna(), log["request_id"].where(alone, many)).astype(str)


def _one_rowed(ids: pd.Series, known: pd.Series) -> pd.Series:
    """Ids of outcomes, where REQUEST/0 also names the one row of a request."""
    short = ids.str.removesuffix("/0")
    return ids.where(ids.isin(known) | ~short.isin(known), short)


def _with_truth(rows: pd.DataFrame, task: str, way: Mapping[str, Any]) -> pd.DataFrame:
    """Gives the truth the type of the predictions.

    Raises:
        Refusal: The true values are none that the model could predict.
    """
    import numpy as np
    import pandas as pd

    if task == "regression":
        numbers = pd.Series(converted(rows["truth"], "numerical", way)[0], rows.index, dtype="float64")
        bad = ~np.isfinite(numbers)
        if bad.any():
            raise Refusal(
                "a true value is no number",
                where="outcomes",
                value=rows.loc[bad, "truth"].iloc[0],
                rule="the model predicts numbers",
            )
        return rows.assign(truth=numbers, predicted=rows["predicted"].astype("float64"))
    if rows.empty:
        return rows
    labels = rows["truth"].to_numpy(dtype=object)
    predicted = set(rows["predicted"])
    if not predicted & set(labels):
        raise Refusal(
            "no true value is a class that was predicted",
            where="outcomes",
            value=labels[0],
            rule=f"predicted were {shorten(', '.join(sorted(predicted)))}",
        )
    return rows.assign(truth=labels)


def _refuse_strangers(log: pd.DataFrame, table: pd.DataFrame) -> None:
    raise Refusal(
        "no outcome is of a logged prediction",
        where="outcomes",
        value=table["id"].iloc[0],
        rule=f"ids as the log has them, for instance {shorten(log['id'].iloc[0])}",
        mend="let --id name the column of the ids that requests carry (serve.id_column), or of request ids",
    )
