"""Reading and writing tables: parquet inside the pipeline, whole files or none."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.common.base.files import written_whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


def read_arrow(path: str | os.PathLike[str], columns: Sequence[str] | None = None) -> pa.Table:
    """Reads a parquet table of the pipeline as Arrow has it: whole numbers stay whole where some are missing.

    Args:
        path: The file; its name needs no ending.
        columns: Columns to read; all by default.

    Returns:
        The table, rows in their order in the file.

    Raises:
        Refusal: The file is absent or is no parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # A single file is read without pyarrow.dataset, which costs 0.1 s to import.
        with pq.ParquetFile(path) as file:
            return file.read(columns=list(columns) if columns is not None else None)
    except FileNotFoundError:
        raise Refusal("the table does not exist", where=str(path)) from None
    except (pa.ArrowInvalid, OSError) as error:
        raise Refusal(f"not a readable parquet file ({error})", where=str(path)) from None


def read_table(path: str | os.PathLike[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """Reads a parquet table of the pipeline into pandas.

    Args:
        path: The file; its name needs no ending.
        columns: Columns to read; all by default.

    Returns:
        The table, rows in their order in the file, with a fresh index.

    Raises:
        Refusal: The file is absent or is no parquet.
    """
    import pandas as pd

    frame = read_arrow(path, columns).to_pandas()
    return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()


def write_arrow(table: pa.Table, path: str | os.PathLike[str]) -> None:
    """Writes a table as parquet: the same rows give the same bytes, and the file appears whole or not at all."""
    import pyarrow.parquet as pq

    with written_whole(path) as beside:
        pq.write_table(table, beside, compression="zstd", store_schema=True)


def write_table(frame: pd.DataFrame, path: str | os.PathLike[str]) -> None:
    """Writes a table of pandas as parquet, without its index, as `write_arrow` does."""
    import pyarrow as pa

    write_arrow(pa.Table.from_pandas(frame, preserve_index=False), path)
