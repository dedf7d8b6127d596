"""Tables that no model can be trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from components.common.base.errors import Refusal

if TYPE_CHECKING:
    import pandas as pd

    from components.common.config.train import TrainArgument
    from components.train.features import Plan


def refuse_absent(asked: Plan, table: pd.DataFrame, where: str) -> None:
    """Refuses a table without a column that the model needs."""
    for name in asked.raw:
        if name not in table.columns:
            raise Refusal(
                f"column {name!r} is missing",
                where=where,
                rule="all columns that the features are made of",
                mend="declare it under columns, or leave it out by train.features.use",
            )


def refuse_constant(section: TrainArgument, truth: np.ndarray) -> None:
    """Refuses a target that is the same in all training rows."""
    if (truth == truth[0]).all():
        raise Refusal(
            "the target is the same in every row",
            where=f"training split, column {section.target}",
            value=truth[0],
            rule="at least two classes" if section.task == "classification" else "values that differ",
        )


def refuse_unusable(asked: Plan, typed: pd.DataFrame) -> None:
    """Refuses features' columns of the training split that hold nothing, or infinite numbers.

    Args:
        asked: What becomes features.
        typed: What `Columns` made of the training split.
    """
    for name, kind in asked.features.items():
        where, values = f"training split, column {name}", typed[name]
        if not any(map(str.strip, values)) if kind == "text" else values.isna().all():
            raise Refusal(
                "has no value in any row",
                where=where,
                rule="at least one value to learn from",
                mend="leave it out by train.features.use",
            )
        if kind == "numerical" and not np.isfinite(values.to_numpy()[values.notna()]).all():
            raise Refusal(
                "holds infinite numbers",
                where=where,
                rule="finite numbers, or none",
                mend="bound it under preprocess.bounds",
            )
