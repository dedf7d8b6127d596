"""Writing predictions: CSV, JSON lines or parquet, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from components.common.base.errors import Refusal, no_space
from components.common.tables.formats import ENDINGS, STREAM

if TYPE_CHECKING:
    import pyarrow as pa

Format = Literal["csv", "jsonl", "parquet"]


def format_named(name: str) -> Format:
    """The format that a file's name asks for.

    Raises:
        Refusal: It ends like none that is written.
    """
    if name == STREAM:
        return "csv"
    plain = name.lower().removesuffix(".gz")
    form = ENDINGS.get(Path(plain).suffix)
    if (
        form not in ("csv", "jsonl", "parquet")
        or Path(plain).suffix in (".tsv", ".tab")
        or (form == "parquet" and plain != name.lower())
    ):
        raise Refusal(
            "no format is known by this ending",
            where=name,
            rule="predictions are written as .csv, .jsonl (both also with .gz) or .parquet",
        )
    return form


def _refuse_no_file(path: str) -> None:
    """Refuses to write over what is no plain file: a folder, a device, a pipe would be lost.

    Raises:
        Refusal: Something else is there.
    """
    if path != STREAM and Path(path).exists() and not Path(path).is_file():
        kind = "a folder" if Path(path).is_dir() else "a device or a pipe"
        raise Refusal(f"this is {kind}", where=path, rule="a file, which is written anew", mend="- is standard output")


class Writer:
    """Rows on their way into a file, which appears when `commit` is called.

    Args:
        path: The file; `-` is standard output, which cannot be taken back.
        form: Its format; by its ending by default.
    """

    def __init__(self, path: str | os.PathLike[str], form: Format | None = None):
        self.path, self.form = str(path), form or format_named(str(path))
        self.rows = 0
        """Rows written so far."""
        self._schema: Any = None
        self._inner: Any = None
        self._sink: Any = None

    def write(self, columns: Mapping[str, pa.Array]) -> None:
        """Adds rows; the first ones settle the types.

        Raises:
            Refusal: A column's values are not of the type that its first ones had.
        """
        import pyarrow as pa

        if self._sink is None:
            self._open()
        batch = pa.table(dict(columns))
        self.rows += batch.num_rows
        if self.form == "jsonl":
            self._sink.write(_encoded("".join(map(_line, batch.to_pylist()))))
            return
        if self._inner is None:
            self._schema = batch.schema
            self._inner = self._table_writer(batch.schema)
        elif batch.schema != self._schema:
            batch = self._alike(batch)
        self._inner.write(batch)

    def write_records(self, records: Sequence[dict[str, Any]]) -> None:
        """Adds rows to JSON lines that may have other keys each."""
        if self._sink is None:
            self._open()
        self.rows += len(records)
        self._sink.write(_encoded("".join(map(_line, records))))

    def commit(self) -> None:
        """Ends the file and gives it its name."""
        self._close()
        if self._sink is not None and self.path != STREAM:
            os.replace(self._beside, self.path)

    def discard(self) -> None:
        """Leaves nothing behind; harmless after `commit`."""
        if self._sink is not None and self.path != STREAM:
            self._close()
            self._beside.unlink(missing_ok=True)

    @property
    def _beside(self) -> Path:
        target = Path(self.path)
        return target.with_name(f".{target.name}.{os.getpid()}.part")

    def _open(self) -> None:
        if self.path == STREAM:
            self._sink = sys.stdout.buffer
            return
        _refuse_no_file(self.path)
        try:
            Path(self.path).parent.mkdir(parents=True, exist_ok=True)
            self._sink = open(self._beside, "wb", buffering=1 << 20)  # noqa: SIM115  # `commit` or `discard` closes it
        except OSError as error:
            if no_space(error):
                raise
            raise Refusal(f"it cannot be written ({(error.strerror or str(error)).lower()})", where=self.path) from None
        if self.path.lower().endswith(".gz"):
            # Without name and time, so that the same rows give the same bytes.
            self._file = self._sink
            self._sink = io.BufferedWriter(gzip.GzipFile("", "wb", 6, self._file, 0), 1 << 20)

    def _table_writer(self, schema: pa.Schema) -> Any:
        if self.form == "parquet":
            import pyarrow.parquet as pq

            return pq.ParquetWriter(self._sink, schema, compression="zstd")
        return _CsvRows(self._sink, schema.names)

    def _alike(self, batch: pa.Table) -> pa.Table:
        import pyarrow as pa

        columns = []
        for field in self._schema:
            try:
                columns.append(batch[field.name].cast(field.type))
            except pa.ArrowInvalid:
                raise Refusal(
                    "the values of a column change their type",
                    where=f"{self.path}, column {field.name}",
                    value=str(batch[field.name].type),
                    rule=f"all are {field.type}, as the first ones were",
                    mend="write .csv or .jsonl, or leave the column out by --id or --keep none",
                ) from None
        return pa.table(columns, schema=self._schema)

    def _close(self) -> None:
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.close()
        if self.path == STREAM:
            if self._sink is not None:
                self._sink.flush()
        elif self._sink is not None and not self._sink.closed:
            self._sink.close()
            if self.path.lower().endswith(".gz"):
                self._file.close()


class _CsvRows:
    """Rows as CSV, quoted where they need it: Arrow itself quotes either all texts or none."""

    def __init__(self, sink: Any, names: Sequence[str]):
        self._sink = sink
        head = io.StringIO(newline="")
        csv.writer(head, lineterminator="\n").writerow(names)
        sink.write(head.getvalue().encode())

    def write(self, rows: pa.Table) -> None:
        """Adds rows."""
        import pyarrow as pa

        try:
            text = self._text(rows, "none")
        except pa.ArrowInvalid:  # a value holds a comma, a quote or a line end
            text = self._text(rows, "needed")
        self._sink.write(text)

    def close(self) -> None:
        """Does nothing: all is written."""

    def _text(self, rows: pa.Table, style: str) -> memoryview:
        import pyarrow as pa
        import pyarrow.csv as pcsv

        held = pa.BufferOutputStream()
        pcsv.write_csv(rows, held, pcsv.WriteOptions(include_header=False, quoting_style=style))
        return memoryview(held.getvalue())


def _encoded(text: str) -> bytes:
    """UTF-8; halves of surrogate pairs, which JSON may hold and UTF-8 may not, become question marks."""
    return text.encode("utf-8", "replace")


def _line(row: dict[str, Any]) -> str:
    plain = {name: _json_value(value) for name, value in row.items()}
    return json.dumps(plain, ensure_ascii=False, default=_written) + "\n"


def _json_value(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _written(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
