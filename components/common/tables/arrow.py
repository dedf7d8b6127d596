"""The rows of parquet and Arrow tables, batch by batch."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from io import BufferedReader
from typing import TYPE_CHECKING, Any

import numpy as np

from components.common.base.errors import Refusal
from components.common.tables.chunk import Chunk
from components.common.tables.columns import accepted_names, is_index, refuse_nested

if TYPE_CHECKING:
    import pyarrow as pa

_BUFFER = 1 << 20


class ArrowRows:
    """A parquet file, an Arrow file or an Arrow stream.

    Args:
        file: A seekable file; of an Arrow stream it may be any.
        form: parquet or arrow.
        where: What to call it in a refusal.
        strict: Whether columns of lists or records are left out.
        declared: Columns that may not be such.

    Raises:
        Refusal: It is none, two columns have one name, or a declared one holds lists or records.
    """

    def __init__(
        self, file: BufferedReader, form: str, where: str, strict: bool = False, declared: Collection[str] = ()
    ):
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._where, self._form = where, form
        self.whole: int | None = None
        """Rows, if the file says how many."""
        try:
            if form == "parquet":
                # Not a whole group of rows at once, which may be the whole table.
                self._reader = pq.ParquetFile(
                    file, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
                )
                schema, self.whole = self._reader.schema_arrow, self._reader.metadata.num_rows
            else:
                streamed = file.peek(6)[:6] != b"ARROW1"
                self._reader = pa.ipc.open_stream(file) if streamed else pa.ipc.open_file(file)
                schema = self._reader.schema
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from None
        accepted_names(schema.names, where)
        fields = [field for field in schema if not is_index(field.name)]
        for field in fields:
            if field.name in declared and pa.types.is_nested(field.type):
                raise refuse_nested(field.name, str(field.type), where)
        self.left_out = [field.name for field in fields if strict and pa.types.is_nested(field.type)]
        self.schema = pa.schema([(one.name, _plain_type(one.type)) for one in fields if one.name not in self.left_out])
        self.names = self.schema.names

    def empty(self) -> dict[str, Any]:
        """The columns without a row."""
        import pyarrow as pa

        return {field.name: pa.array([], field.type) for field in self.schema}

    def chunks(self, rows: int) -> Iterator[Chunk]:
        """The rows, at most so many at a time.

        Raises:
            Refusal: The file is damaged.
        """
        import pyarrow as pa

        number = 1
        try:
            for batch in self._batches(rows):
                for part in (batch.slice(at, rows) for at in range(0, batch.num_rows, rows)):
                    columns = {name: self._plain(part.column(name), name) for name in self.names}
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

    def _plain(self, column: pa.Array, name: str) -> pa.Array:
        """A column without dictionaries and views, whose values are whole."""
        import pyarrow as pa

        try:
            column.validate(full=True)
        except pa.ArrowInvalid as error:
            raise Refusal(
                f"the column holds damaged values ({error})",
                where=f"{self._where}, column {name}",
                rule="texts are UTF-8",
                mend="write the table again",
            ) from None
        return column if column.type == self.schema.field(name).type else column.cast(self.schema.field(name).type)

    def _damaged(self, error: Exception) -> Exception:
        """Word what Arrow says of a damaged file; a fault of the machine stays what it is."""
        if isinstance(error, OSError) and error.errno:
            return error
        form = "Arrow" if self._form == "arrow" else self._form
        return Refusal(
            f"not a whole {form} file ({str(error).splitlines()[0]})",
            where=self._where,
            mend="was it cut short? fetch or write it again",
        )


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type without dictionaries, views and 64-bit offsets, which not every output format knows."""
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return _plain_type(kind.value_type)
    if types.is_large_string(kind) or types.is_string_view(kind) or types.is_null(kind):
        return pa.string()
    if types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    return kind
