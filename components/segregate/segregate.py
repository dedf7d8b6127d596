"""Step segregate: every row goes to exactly one of train, validation and test."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal, nearest
from components.common.config.base import accept
from components.common.config.segregate import SegregateArgument
from components.common.tables.parquet import parquet_file, write_arrow
from components.segregate.strategies import by_group, by_time, shuffled

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def segregate_file(
    section: dict[str, Any],
    accepted_path: str | os.PathLike[str],
    train_path: str | os.PathLike[str],
    validation_path: str | os.PathLike[str],
    test_path: str | os.PathLike[str],
) -> dict[str, int]:
    """Splits a table in three: test off the whole, then validation off the rest.

    The same bytes and seed give the same three files.

    Args:
        section: A `SegregateArgument`.
        accepted_path: The table, parquet.
        train_path: Where to write the train split.
        validation_path: Where to write the validation split.
        test_path: Where to write the test split.

    Returns:
        rows_train, rows_validation, rows_test.

    Raises:
        Refusal: A column is unknown or has missing values, or the rows do not allow such a split.
    """
    import pyarrow as pa

    wanted = accept(SegregateArgument, section, "section segregate")
    paths = {"train": train_path, "validation": validation_path, "test": test_path}
    with parquet_file(accepted_path) as file:
        schema = file.schema_arrow
        named = {wanted.by_time, wanted.group, wanted.strata}
        # A column that is split by is read first; one without any still says how many rows there are.
        present = [name for name in schema.names if name in named] or schema.names[:1]
        splits = split_rows(file.read(columns=present), schema.names, wanted)
        for split, rows in splits.items():  # one after the other, column by column, so that little is there at once
            columns = [file.read(columns=[name]).column(0).combine_chunks().take(rows) for name in schema.names]
            write_arrow(pa.table(columns, schema=schema), paths[split])
    return {f"rows_{name}": len(rows) for name, rows in splits.items()}


def split_rows(table: pa.Table, names: Sequence[str], wanted: SegregateArgument) -> dict[str, np.ndarray]:
    """Deals rows by position.

    Args:
        table: The columns that rows are dealt by.
        names: Of all columns of the table.
        wanted: How.

    Returns:
        Positions of the rows of train, validation and test, in the order in which they are written.

    Raises:
        Refusal: The rows do not allow such a split.
    """
    import numpy as np

    if table.num_rows < 3:
        raise Refusal(
            f"a table of {table.num_rows} row{'s' * (table.num_rows != 1)} cannot be split in three",
            where="segregate",
            rule="train, validation and test have a row each",
            mend="use a larger table; were its rows duplicates of each other?",
        )
    strata = wanted.strata
    if (wanted.by_time or wanted.group) and isinstance(wanted.stratify, str):
        print(f"segregate.stratify={wanted.stratify} has no effect beside by_time or group", flush=True)

    def deal(rows: np.ndarray, share: float, split: str) -> tuple[np.ndarray, np.ndarray]:
        if wanted.by_time:
            return by_time(rows, column(table, names, wanted.by_time, "by_time"), share, split)
        if wanted.group:
            return by_group(rows, column(table, names, wanted.group, "group"), share, wanted.seed, split)
        return shuffled(
            rows, column(table, names, strata, "stratify") if strata else None, strata, share, wanted.seed, split
        )

    rest, test = deal(np.arange(table.num_rows), wanted.test_size, "test")
    train, validation = deal(rest, wanted.validation_size, "validation")
    return {"train": train, "validation": validation, "test": test}


def column(table: pa.Table, names: Sequence[str], name: str, field: str) -> pa.ChunkedArray:
    """The column that a setting names.

    Raises:
        Refusal: It is not there, or a value is missing.
    """
    where = f"segregate.{field}"
    if name not in table.column_names:
        raise Refusal(
            f"there is no column {name!r}",
            where=where,
            rule="it names a column of the accepted table",
            mend=nearest(name, names),
        )
    if missing := table[name].null_count:
        raise Refusal(
            f"column {name!r} has missing values",
            where=where,
            value=f"{missing} of {table.num_rows} rows",
            rule="every row has a value to be split by",
            mend=f"fill them (preprocess.fill.{name}=…), or split by another column",
        )
    return table[name]
