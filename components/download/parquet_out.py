"""Writing the table that download hands on: parquet, group by group, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.common.base.files import written_whole

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_BYTES = 16 << 20
"""Size in memory of the groups of rows that are converted and written at once."""


class Out:
    """A parquet file that is being written. Its first group settles the columns."""

    def __init__(self, path: Path):
        self._path, self._writer = path, None
        self.schema: pa.Schema | None = None
        self.rows = 0

    def write(self, group: pa.Table) -> None:
        """Adds rows."""
        import pyarrow.parquet as pq

        if self._writer is None:
            self.schema = group.schema
            self._writer = pq.ParquetWriter(self._path, group.schema, compression="zstd")
        self._writer.write_table(group)
        self.rows += group.num_rows

    def close(self) -> None:
        """Ends the file."""
        if self._writer is not None:
            self._writer.close()


@contextmanager
def parquet_out(path: Path, where: str) -> Iterator[Out]:
    """Opens a parquet file for writing; it appears whole when the block ends well, or not at all.

    Args:
        path: The file.
        where: What to call the source of its rows in a refusal.

    Raises:
        Refusal: The block wrote no row.
    """
    with written_whole(path) as beside:
        out = Out(beside)
        try:
            yield out
        finally:
            out.close()
        if not out.rows:
            raise Refusal("the table has no rows", where=where, rule="at least one row below the names of the columns")


def grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Gathers small batches of rows into groups of about `GROUP_BYTES`, the last one smaller."""
    import pyarrow as pa

    held, size = [], 0
    for batch in batches:
        if not batch.num_rows:
            continue
        held.append(batch)
        size += batch.nbytes
        if size >= GROUP_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)


def check_names(names: list[str], where: str) -> None:
    """Refuses a table in which two columns have one name."""
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise Refusal(
            "the name of a column stands more than once",
            where=where,
            value=", ".join(map(repr, doubled)),
            rule="every column has a name of its own",
            mend="rename or remove one of them in the source",
        )
