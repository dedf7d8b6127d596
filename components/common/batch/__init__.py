"""Batch prediction: a table in, a table of predictions out, chunk by chunk, so that its size does not matter.

`open_table` reads CSV, JSON lines, parquet and Arrow; `predict_table` asks a model and writes answers and refused rows.
"""

from components.common.batch.counts import Tally, percentage
from components.common.batch.predict_table import TooManyRefused, Wanted, predict_table
from components.common.tables.chunk import Chunk, Faulty
from components.common.tables.reader import open_table
from components.common.tables.table import Table
from components.common.tables.writer import format_named

__all__ = [
    "Chunk",
    "Faulty",
    "Table",
    "Tally",
    "TooManyRefused",
    "Wanted",
    "format_named",
    "open_table",
    "percentage",
    "predict_table",
]
