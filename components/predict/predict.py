"""The step predict: a model of the artifact store answers a parquet table, chunk by chunk."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.common.artifacts import open_store
from components.common.batch import Tally, Wanted, open_table, predict_table
from components.common.batch.rejects import empty_rejects
from components.common.config.base import accept
from components.common.config.predict import PredictArgument
from components.common.config.reading import Reading
from components.common.registry.model_ref import bring_marked
from components.common.tables.parquet import write_arrow

_PAUSE = 1.0
"""Seconds between two words about how far it is."""


def predict_file(
    section: dict[str, Any],
    model: str,
    table_path: str | os.PathLike[str],
    predictions_path: str | os.PathLike[str],
    rejects_path: str | os.PathLike[str],
    report_path: str | os.PathLike[str],
    say: Callable[[str], None] = lambda words: None,
) -> dict[str, float]:
    """Answers a table and writes the report.

    Args:
        section: The step's argument, `PredictArgument`.
        model: Which version, and the digest of its bytes.
        table_path: The table, parquet.
        predictions_path: The parquet file of answers to write.
        rejects_path: That of refused rows; it has no rows where none is refused.
        report_path: The HTML page to write.
        say: Is told how far it is, in words.

    Returns:
        The counts: rows, answered, refused, unknown_values, missing_values (where training had none).

    Raises:
        Refusal: There is no such model, it does not fit the table, or too many rows are refused; then the report is
            written nevertheless.
    """
    from components.common.inference import load_predictor
    from components.predict.predict_report import write_report

    argument = accept(PredictArgument, section, "section predict")
    with tempfile.TemporaryDirectory() as scratch:
        version = bring_marked(open_store(), model, Path(scratch) / "model")
        predictor = load_predictor(Path(scratch) / "model")
        wanted = Wanted(
            argument.keep,
            argument.probabilities,
            f"v{version.number}",
            argument.max_rejects,
            argument.max_unknown,
            argument.intervals,
        )
        tally, rejects = Tally(), Path(rejects_path)
        with open_table(table_path, Reading(format="parquet"), rows=argument.chunk) as table:
            try:
                predict_table(
                    predictor,
                    table,
                    predictions_path,
                    wanted,
                    rejects=rejects,
                    form="parquet",
                    progress=_in_words(say),
                    tally=tally,
                )
                if not rejects.exists():
                    write_arrow(empty_rejects(table.empty), rejects)
            finally:
                write_report(report_path, argument, version, predictor, tally)
    return {
        "rows": tally.rows,
        "answered": tally.answered,
        "refused": tally.refused,
        "unknown_values": sum(tally.unknown.values()),
        "missing_values": sum(tally.missing(predictor.complete).values()),
    }


def _in_words(say: Callable[[str], None]) -> Callable[[int, float | None], None]:
    last = time.monotonic()

    def told(rows: int, share: float | None) -> None:
        nonlocal last
        if time.monotonic() - last >= _PAUSE:
            last = time.monotonic()
            say(f"{rows:,} rows" + ("" if share is None else f", {100 * min(share, 1):.0f} %"))

    return told
