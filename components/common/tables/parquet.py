"""Reading and writing tables: parquet inside the pipeline, whole files or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.common.base.files import written_whole

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq


@contextmanager
def parquet_file(path: str | os.PathLike[str]) -> Iterator[pq.ParquetFile]:
    """Opens a parquet table of the pipeline, without pyarrow.dataset, which costs 0.1 s to import.

    Raises:
        Refusal: The file is absent or is no parquet; also when the block reads what is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except FileNotFoundError:
        raise Refusal("the table does not exist", where=str(path)) from None
    except (pa.ArrowInvalid, OSError) as error:
        if getattr(error, "errno", None):
            raise  # a fault of the machine
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

    with parquet_file(path) as file:
        names = list(columns) if columns is not None else None
        # Column by column, each given up by Arrow as pandas takes it: the table is not there twice.
        frame = file.read(columns=names).to_pandas(split_blocks=True, self_destruct=True)
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


@contextmanager
def batches(
    path: str | os.PathLike[str], cells: int
) -> Iterator[tuple[list[str], Callable[[Sequence[str]], Iterator[pa.RecordBatch]]]]:
    """Opens a parquet table of the pipeline to be read some rows at a time, once or more often.

    Args:
        path: The file.
        cells: Most cells of a batch, rows times columns; at least a row is read.

    Yields:
        The names of all columns, and what reads some of them, from the first row each time it is called.

    Raises:
        Refusal: The file is absent or is no parquet.
    """
    with parquet_file(path) as file:

        def rows(columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
            return file.iter_batches(max(1, cells // len(columns)), columns=columns, use_threads=False)

        yield file.schema_arrow.names, rows


class _Widened(Exception):
    """A later part needs a wider type than those that are written."""


def write_widening(
    parts: Callable[[], Iterator[pa.Table]], path: str | os.PathLike[str], empty: Callable[[], Refusal]
) -> None:
    """Writes a table part by part as parquet, whole or not at all, each column of the widest type that a part has.

    Where a type gets wider or a column appears after something was written, all is made once more. int64 widens to
    float64, all else to string.

    Args:
        parts: Makes the parts, from the first one each time it is called.
        path: The file.
        empty: The refusal of a table without rows.
    """
    types: dict[str, pa.DataType] = {}
    while True:
        with suppress(_Widened), written_whole(path) as beside:
            _write_parts(parts(), beside, types, empty)
            return


def _write_parts(
    parts: Iterator[pa.Table], beside: Path, types: dict[str, pa.DataType], empty: Callable[[], Refusal]
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer, rows, widened = None, 0, False
    try:
        for part in parts:
            rows += part.num_rows
            found = dict(zip(part.column_names, part.columns, strict=True))
            for name, column in found.items():
                wider = _wider(types.get(name, column.type), column.type)
                widened = widened or (writer is not None and wider != types.get(name))
                types[name] = wider
            if part.num_rows and not widened:
                schema = pa.schema(types)
                columns = [
                    found[name].cast(of) if name in found else pa.nulls(part.num_rows, of) for name, of in types.items()
                ]
                writer = writer or pq.ParquetWriter(beside, schema, compression="zstd", store_schema=True)
                writer.write_table(pa.table(columns, schema=schema).combine_chunks())
    finally:
        if writer is not None:
            writer.close()
    if not rows:
        raise empty()
    if widened:
        raise _Widened


def _wider(first: pa.DataType, second: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if first == second:
        return first
    return pa.float64() if {first, second} == {pa.int64(), pa.float64()} else pa.string()
