"""The rows of parquet and Arrow tables, batch by batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from components.common.base.errors import Refusal
from components.common.tables.chunk import Chunk

if TYPE_CHECKING:
    import pyarrow as pa

_INDEX = re.compile(r"__index_level_\d+__")
_BUFFER = 1 << 20


class ArrowRows:
    """A parquet file, an Arrow file or an Arrow stream.

    Args:
        file: A seekable file; of an Arrow stream it may be any.
        form: parquet or arrow.
        where: What to call it in a refusal.

    Raises:
        Refusal: It is none, or two columns have one name.
    """

    def __init__(self, file: BinaryIO, form: str, where: str):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._where, self._form = where, form
        self.whole: int | None = None
        """Rows, if the file says how many."""
        try:
            if form == "parquet":
                # Not a whole group of rows at once, which may be the whole table.
                self._reader = pq.ParquetFile(file, buffer_size=_BUFFER, pre_buffer=False)
                names, self.whole = self._reader.schema_arrow.names, self._reader.metadata.num_rows
            else:
                streamed = file.peek(6)[:6] != b"ARROW1" if hasattr(file, "peek") else False
                self._reader = pa.ipc.open_stream(file) if streamed else pa.ipc.open_file(file)
                names = self._reader.schema.names
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise Refusal("the name of a column stands more than once", where=where, value=", ".join(doubled))
        self.names = [name for name in names if not _INDEX.fullmatch(name)]

    def empty(self) -> dict[str, Any]:
        """The columns without a row."""
        import pyarrow as pa

        schema = self._reader.schema_arrow if self._form == "parquet" else self._reader.schema
        return {name: _plain(pa.array([], schema.field(name).type)) for name in self.names}

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """The rows, at most so many at a time."""
        import pyarrow as pa

        number = 1
        try:
            for batch in self._batches(rows):
                for part in (batch.slice(at, rows) for at in range(0, batch.num_rows, rows)):
                    columns = {name: _plain(part.column(name)) for name in self.names}
                    yield Chunk(np.arange(number, number + part.num_rows), columns)
                    number += part.num_rows
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None

    def _batches(self, rows: int) -> Iterator[pa.RecordBatch]:
        if self._form == "parquet":
            return self._reader.iter_batches(rows, columns=self.names, use_threads=False)
        if hasattr(self._reader, "num_record_batches"):
            return (self._reader.get_batch(at) for at in range(self._reader.num_record_batches))
        return iter(self._reader)

    def _damaged(self, error: Exception) -> Exception:
        """Words what Arrow says of a damaged file; a fault of the machine stays what it is."""
        if isinstance(error, OSError) and error.errno:
            return error
        return Refusal(f"not a whole {self._form} file ({str(error).splitlines()[0]})", where=self._where)


def _plain(column: pa.Array) -> pa.Array:
    """A column without dictionaries and views, which not every output format knows."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return _plain(column.cast(column.type.value_type))
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    if pa.types.is_null(column.type):
        return column.cast(pa.string())
    return column
