"""JSON lines to parquet, chunk by chunk."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal
from components.download.columnar import plain
from components.download.parquet_out import parquet_out
from components.download.text_stream import TextStream

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK = 8 << 20
"""Bytes that are parsed at once."""


def convert_jsonl(open_text: Callable[[], TextStream], where: str, table_path: Path) -> None:
    """Turns JSON lines, one object per line, into parquet in bounded memory.

    A first pass settles the fields and their types, a second one converts. Dates stay text; preprocess parses them.

    Args:
        open_text: Opens the file from its start.
        where: What to call it in a refusal.
        table_path: The parquet file.

    Raises:
        Refusal: A line is no JSON object, or a field changes its type.
    """
    schema = _schema(open_text, where)
    with parquet_out(table_path, where) as out:
        for first, chunk in _chunks(open_text, where):
            out.write(plain(_parsed(chunk, first, where, schema), where))


def _schema(open_text: Callable[[], TextStream], where: str) -> pa.Schema:
    import pyarrow as pa

    schema = pa.schema([])
    for first, chunk in _chunks(open_text, where):
        found = pa.schema([field.with_type(_undated(field.type)) for field in _parsed(chunk, first, where).schema])
        try:
            schema = pa.unify_schemas([schema, found], promote_options="permissive")
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise Refusal(
                f"a field changes its type ({error})",
                where=where,
                value=f"after record {first}",
                rule="a field holds values of one type",
            ) from None
    return schema


def _parsed(chunk: bytes, first: int, where: str, schema: pa.Schema | None = None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.json as pj

    try:
        table = pj.read_json(
            pa.BufferReader(chunk),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(chunk) + 1),
            parse_options=pj.ParseOptions(explicit_schema=schema),
        )
        return table if schema is None else table.select(schema.names)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        said = str(error).removeprefix("JSON parse error: ")
        row = re.search(r" in row (\d+)", said)
        record = f"record {first + int(row[1]) + 1}" if row else f"a record after number {first}"
        said = re.sub(r" in row \d+", "", said).replace("Column(/", "field (")
        if "Column()" in said:
            said = "it is no object"
        raise Refusal(
            f"{record} is not accepted: {said}",
            where=where,
            rule='one JSON object per line, such as {"size": 1.5, "kind": "a"}',
        ) from None


def _chunks(open_text: Callable[[], TextStream], where: str) -> Iterator[tuple[int, bytes]]:
    """Whole lines, about 8 MiB of them at a time, each with the number of records before."""
    first, rest = 0, b""
    with open_text() as text, io.BufferedReader(text, CHUNK) as buffered:
        while piece := buffered.read(CHUNK):
            lines, end, rest = (rest + piece).rpartition(b"\n")
            if len(rest) > 8 * CHUNK:
                raise Refusal("a record is longer than 64 MB", where=where, rule="one JSON object per line")
            if lines.strip():
                yield first, lines + end
                first += sum(1 for line in lines.split(b"\n") if line.strip())
    if not first:
        raise Refusal("the file is empty", where=where, rule="one JSON object per line")


def _undated(kind: pa.DataType) -> pa.DataType:
    """The type with text for timestamps, which the parser sees in any text that looks like one."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind):
        return pa.string()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_undated(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(_undated(kind.value_type))
    return kind
