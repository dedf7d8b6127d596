"""The loop of batch prediction: some rows, their answers, the next rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from components.common.base.errors import Refusal, nearest, shorten, some
from components.common.batch.columns import answer_columns, output_names
from components.common.batch.counts import Tally, most_rows, percentage
from components.common.batch.rejects import Rejects
from components.common.batch.strange import refuse_strange
from components.common.inference.coerce import ABSENT
from components.common.tables.chunk import Chunk, asked, kept
from components.common.tables.reader import Table
from components.common.tables.writer import Writer

if TYPE_CHECKING:
    from components.common.inference import Predictor

Progress = Callable[[int, float | None], None]
"""Is told the rows that are done, and which share of the table that is, if it is known."""


class TooManyRefused(Refusal):
    """More rows of a table were refused than may be."""


@dataclass(frozen=True)
class Wanted:
    """What is to be written."""

    keep: Literal["ids", "all", "none"] | Sequence[str] = "ids"
    """Columns of the table that go along: those that the model does not know, all, none, or these."""
    probabilities: bool = False
    """Whether there is a column for each class."""
    version: str = ""
    """What the column model_version says."""
    max_rejects: str = ""
    """Most rows that may be refused, as a number or `2%`; all but one by default."""
    max_unknown: str = ""
    """Most values of a categorical column that training may not have known, as a number or `2%`; not all by default."""
    intervals: bool = False
    """Whether there are columns of intervals, or one of sets of classes."""


def predict_table(
    predictor: Predictor,
    table: Table,
    out: str | os.PathLike[str],
    wanted: Wanted,
    *,
    rejects: str | os.PathLike[str] | None = None,
    form: Literal["csv", "jsonl", "parquet"] | None = None,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Tally:
    """Asks a model for each row of a table and writes the answers, in the order of the rows.

    Args:
        predictor: The model.
        table: Which rows.
        out: Where answers go; the file appears when all are there.
        wanted: What is written.
        rejects: Where refused rows go, with why; a file that is there already goes. Nowhere if None.
        form: The format of both files; by default each is written as its name ends.
        progress: Is told how far it is.
        tally: Where to count; what it holds is of use even if this ends in a refusal.

    Returns:
        What came of it.

    Raises:
        Refusal: The table lacks a column that the model needs, or cannot be read to its end. Then nothing is written.
        TooManyRefused: More of its rows are refused than may be. Then only these are written.
    """
    import pyarrow as pa

    limit = most_rows(wanted.max_rejects, "--max-rejects") if wanted.max_rejects else None
    most_unknown = most_rows(wanted.max_unknown, "--max-unknown") if wanted.max_unknown else None
    _refuse_absent(predictor, table)
    names = _kept_names(predictor, table, wanted)
    output_names(names, predictor, wanted.probabilities, wanted.intervals)  # refuses a clash before anything is read
    texts, tally = table.form == "jsonl", Tally() if tally is None else tally
    writer, refused = Writer(out, form), Rejects(rejects, form, table.names)
    try:
        for chunk in table.chunks:
            _answer(predictor, chunk, names, wanted, writer, refused, tally, texts and writer.form == "csv")
            for name in chunk.columns if texts else ():
                if name not in table.names and name not in predictor.columns and chunk.rows:
                    tally.dropped.setdefault(name, int(chunk.numbers[0]))
            if progress is not None:
                progress(tally.rows, table.share(tally.rows))
        if not writer.rows:
            _answer(predictor, _no_rows(table), names, wanted, writer, refused, tally, True)
        refused.commit()
        _refuse_too_many(tally, limit, table.where, rejects)
        refuse_strange(tally, predictor, most_unknown, table.where)
        writer.commit()
    except (UnicodeError, OverflowError, pa.ArrowException) as error:
        raise Refusal(
            f"a value can be neither read nor written: {shorten(str(error))}",
            where=table.where,
            rule="UTF-8 texts, dates from year 1 to 9999, types that the output has",
            mend="--keep none leaves out columns that only go along; parquet takes most types",
        ) from None
    finally:
        writer.discard()
        refused.discard()
    return tally


def _answer(
    predictor: Predictor,
    chunk: Chunk,
    names: Sequence[str],
    wanted: Wanted,
    writer: Writer,
    refused: Rejects,
    tally: Tally,
    texts: bool,
) -> None:
    columns = asked(chunk, predictor.columns, predictor.ways)
    answered = predictor.answer(columns, chunk.rows, count_given=True)
    answers = answer_columns(predictor, answered, wanted.probabilities, wanted.intervals, wanted.version)
    if writer.form == "jsonl" and isinstance(next(iter(chunk.columns.values()), None), list):
        writer.write_records(_records(chunk, names, answered.kept.tolist(), answers))
    else:
        absent = [None] * chunk.rows
        found = {name: kept(chunk.columns.get(name, absent), answered.kept, texts=texts) for name in names}
        writer.write({**found, **answers})
    tally.answers(answered)
    if answered.faults or chunk.faulty:
        refused.write(chunk, answered.faults, tally)


def _records(chunk: Chunk, names: Sequence[str], rows: list[int], answers: Mapping[str, Any]) -> list[dict[str, Any]]:
    """JSON lines of JSON lines: what goes along is as it was, 1 no less than 1.0 and "1"."""
    held = [(name, chunk.columns[name]) for name in names if name in chunk.columns]
    columns = [(name, one.to_pylist()) for name, one in answers.items()]
    return [
        {
            **{name: values[row] for name, values in held if values[row] is not ABSENT},
            **{name: values[at] for name, values in columns},
        }
        for at, row in enumerate(rows)
    ]


def _no_rows(table: Table) -> Chunk:
    return Chunk(np.zeros(0, np.int64), table.empty, texts=table.form == "csv")


def _kept_names(predictor: Predictor, table: Table, wanted: Wanted) -> list[str]:
    """The columns of the table that go along.

    Raises:
        Refusal: One that is asked for is not there.
    """
    if wanted.keep == "none":
        return []
    if wanted.keep == "all":
        return list(table.names)
    if wanted.keep == "ids":
        known = {*predictor.columns, *predictor.derived}
        return [name for name in table.names if name not in known]
    for name in wanted.keep:
        if name not in table.names:
            raise Refusal(
                f"the table has no column {name!r}", where=table.where, rule="--id", mend=nearest(name, table.names)
            )
    return list(dict.fromkeys(wanted.keep))


def _refuse_absent(predictor: Predictor, table: Table) -> None:
    """Refuses a table that lacks columns which the model needs."""
    absent = [name for name in predictor.columns if name not in table.names and name not in predictor.optional]
    if absent and (table.names or table.form != "jsonl"):  # JSON lines without a line have no columns
        others = [name for name in table.names if name not in predictor.columns]
        raise Refusal(
            f"the table has no column {absent[0]!r}, which the model needs"
            + (f" (and {len(absent) - 1} more: {', '.join(absent[1:6])})" if absent[1:] else ""),
            where=table.where,
            rule=f"the model is asked with: {some(predictor.columns)}",
            mend=nearest(absent[0], others) if others else "add it; missing values are fine, a missing column is not",
        )


def _refuse_too_many(
    tally: Tally, limit: tuple[str, float] | None, where: str, rejects: str | os.PathLike[str] | None
) -> None:
    if limit is None:
        beyond, rule = tally.refused > 0 and not tally.answered, "at least one row that the model takes"
    else:
        kind, most = limit
        most_rows = most * tally.rows if kind == "share" else most
        beyond = tally.refused > most_rows
        rule = f"at most {most:.6g} rows" if kind == "rows" else f"at most {100 * most:.6g} % of the rows"
    if not beyond:
        return
    (column, broken), count = tally.reasons.most_common(1)[0]
    row, value = tally.examples[column, broken]
    raise TooManyRefused(
        f"{tally.refused:,} of {tally.rows:,} rows ({percentage(tally.refused, tally.rows)}) were refused; "
        "nothing is written but these",
        where=where,
        value=f"row {row}{f', column {column}' if column else ''}: {value!r}; {count:,} rows like it",
        rule=f"{rule}; in that row: {broken}",
        mend=f"{Path(rejects)} says why, row by row" if rejects is not None else "",
    )
