"""Parquet and Arrow tables to the parquet of the pipeline, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.download.parquet_out import check_names, grouped, parquet_out

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 1 << 16
_INDEX = re.compile(r"__index_level_\d+__")


def convert_parquet(path: Path, where: str, table_path: Path) -> None:
    """Rewrites a parquet file with plain types, in bounded memory.

    Raises:
        Refusal: It is no whole parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file, parquet_out(table_path, where) as out:
            check_names(file.schema_arrow.names, where)
            for group in grouped(file.iter_batches(BATCH_ROWS)):
                out.write(plain(group, where))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error, "parquet", where) from None


def convert_arrow(path: Path, where: str, table_path: Path) -> None:
    """Rewrites an Arrow IPC file or stream as parquet, in bounded memory.

    Raises:
        Refusal: It is no whole Arrow table.
    """
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file, parquet_out(table_path, where) as out:
            for group in grouped(_arrow_batches(file, where)):
                out.write(plain(group, where))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(error, "Arrow", where) from None


def _arrow_batches(file: pa.NativeFile, where: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    streamed = file.read(6) != b"ARROW1"
    file.seek(0)
    if streamed:
        stream = pa.ipc.open_stream(file)
        check_names(stream.schema.names, where)
        yield from stream
    else:
        reader = pa.ipc.open_file(file)
        check_names(reader.schema.names, where)
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))


def plain(table: pa.Table, where: str) -> pa.Table:
    """A table with the types that the pipeline knows, without what other programs left in its metadata.

    Dictionaries are decoded, decimals and columns without any value become floats, and an unnamed index goes.

    Raises:
        Refusal: A text is not UTF-8.
    """
    import pyarrow as pa

    names = [name for name in table.column_names if not _INDEX.fullmatch(name)]
    columns = []
    for name in names:
        column = table[name]
        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise Refusal(
                f"the column holds damaged values ({error})",
                where=f"{where}, column {name}",
                rule="texts are UTF-8",
                mend="write the table again",
            ) from None
        columns.append(column.cast(_plain_type(column.type)))
    return pa.table(columns, names=names)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if types.is_null(kind) or types.is_decimal(kind) or types.is_float16(kind):
        return pa.float64()
    if types.is_large_string(kind) or types.is_string_view(kind):
        return pa.string()
    return kind


def _damaged(error: Exception, form: str, where: str) -> Exception:
    """Words what Arrow says of a damaged file. A fault of the machine, such as a full disk, stays what it is."""
    if isinstance(error, OSError) and error.errno:
        return error
    return Refusal(
        f"not a whole {form} file ({str(error).splitlines()[0]})",
        where=where,
        mend="was it cut short? fetch or write it again",
    )
