"""A picture of a table in two dimensions: t-SNE of its numerical columns, coloured by the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal, nearest, some
from components.common.config.base import accept
from components.common.config.tsne import TsneArgument
from components.common.reports import charts, html
from components.common.tables.parquet import read_table

if TYPE_CHECKING:
    import pandas as pd


def embed(section: TsneArgument, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Lays rows out in a plane (van der Maaten and Hinton, JMLR 9, 2008).

    Columns are centred and scaled to unit variance, missing values replaced by the column's median.

    Args:
        section: What to draw.
        table: The clean table.

    Returns:
        (drawn,) the places of the rows drawn, ascending, and (drawn, 2) their positions; the same for the same table
        and seed.

    Raises:
        Refusal: No numerical column, one that is none, infinite or empty, or too few rows for the perplexity.
    """
    columns = _columns(section, table)
    rows = np.arange(len(table))
    if len(rows) > section.rows:
        rows = np.sort(np.random.default_rng(section.seed).choice(rows, section.rows, replace=False))
    if section.perplexity >= len(rows):
        raise Refusal(
            "as many neighbours as rows, or more",
            where="tsne.perplexity",
            value=section.perplexity,
            rule=f"less than the number of rows drawn, {len(rows)}",
            mend="lower it",
        )
    for name in columns:
        if table[name].dtype.kind not in "iufb":
            raise Refusal("is no number", where=f"column {name}", value=table[name].iloc[0], rule="a numerical column")
    values = table[columns].to_numpy(dtype="float64")
    if len(columns) < 2:
        raise Refusal(
            f"there is only one numerical column, {columns[0]}",
            where="section tsne",
            rule="a picture in two dimensions needs two columns",
            mend="leave the section tsne out",
        )
    for name, column in zip(columns, values.T, strict=True):
        if np.isinf(column).any():
            raise Refusal(
                "holds infinite numbers",
                where=f"column {name}",
                rule="finite numbers, or none",
                mend="bound it under preprocess.bounds",
            )
        if np.isnan(column).all():
            raise Refusal("has no value in any row", where=f"column {name}", mend="leave it out by tsne.columns")
    values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    spread = values.std(axis=0)
    values = ((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1))[rows]

    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    # Several threads add up forces in the order in which they end, and the picture would differ from run to run.
    with threadpool_limits(1):
        return rows, TSNE(2, perplexity=section.perplexity, random_state=section.seed, n_jobs=1).fit_transform(values)


def tsne_file(
    section: dict[str, Any], table_path: str, picture_path: str, facts: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Draws a parquet file.

    Args:
        section: The step's argument, `TsneArgument`.
        table_path: The clean table.
        picture_path: The HTML page to write.
        facts: Name to text, for its head.

    Returns:
        The number of rows drawn and of columns used.
    """
    table = read_table(table_path)
    argument = accept(TsneArgument, section, "section tsne").of_table(list(table.columns))
    rows, positions = embed(argument, table)
    columns = _columns(argument, table)
    target = table[argument.target].iloc[rows].to_numpy()
    groups = target.astype("float64") if argument.task == "regression" else target.astype(str)
    picture = charts.scatter(positions[:, 0], positions[:, 1], groups=groups, limit=len(rows), width=900, height=640)
    drawn = f"{len(rows):,} of {len(table):,} rows" if len(rows) < len(table) else f"{len(rows):,} rows"
    html.write_page(
        picture_path,
        html.page(
            f"t-SNE, coloured by {argument.target}",
            f"{drawn} by {len(columns)} numerical columns; perplexity {argument.perplexity:g}, seed {argument.seed}",
            html.figure(picture),
            html.text(
                "Rows that are alike lie near each other. Distances between far groups and their sizes mean nothing.",
                f"Columns: {some(columns)}.",
            ),
            facts=facts,
        ),
    )
    return {"rows": len(rows), "columns": len(columns)}


def _columns(section: TsneArgument, table: pd.DataFrame) -> list[str]:
    """The columns to use, checked."""
    numerical = [name for name, kind in section.kinds.items() if kind == "numerical" and name != section.target]
    for name in section.columns or ():
        if name not in numerical:
            raise Refusal(
                "no numerical column of that name", where="tsne.columns", value=name, mend=nearest(name, numerical)
            )
    chosen = section.columns if section.columns is not None else numerical
    if not chosen:
        raise Refusal("no numerical column to lay rows out by", where="tsne.columns", rule="at least one")
    for name in (*chosen, section.target):
        if name not in table.columns:
            raise Refusal(f"column {name!r} is missing", where="clean table", mend=nearest(name, table.columns))
    return list(chosen)
