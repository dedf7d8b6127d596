"""Step download: whatever the source is, a parquet table comes out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from components.common.config import Download, DownloadArgument, accept
from components.common.sources import Opened, Progress, open_bytes, parse


@dataclass(frozen=True)
class Downloaded:
    """What was read and what was written."""

    rows: int
    columns: int
    bytes: int
    """Size of the source; of the written table where the source is a sample."""
    source: str
    """The source, without credentials."""
    checksum: str
    """SHA-256 in hex of the source's bytes, or `sample:NAME`."""
    format: str
    """csv, parquet, arrow, jsonl or sample."""
    generated: bool = False
    """Whether the table was made up by tabpipe."""


def download_file(
    section: dict[str, Any],
    checksum: str,
    table_path: str | os.PathLike[str],
    *,
    store: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Downloaded:
    """Reads the table that a section names and writes it as parquet, in bounded memory.

    Args:
        section: A `DownloadArgument`.
        checksum: SHA-256 of the source's bytes where they are known already; empty takes what is there now.
        table_path: Where to write.
        store: The folder of content that was fetched already, if there is one.
        progress: Is told bytes read and bytes in all, first of a download, then of the conversion.

    Raises:
        Refusal: The source is not there, changed, or is no table.
    """
    import pyarrow.parquet as pq

    wanted = accept(DownloadArgument, section, "section download")
    address, target = parse(wanted.source), Path(table_path)
    generated = False
    if address.kind == "sample":
        from components.download.samples import write_sample

        generated = write_sample(address.target, target)
        size, checksum, form = target.stat().st_size, f"sample:{address.target}", "sample"
    else:
        kept = Path(store) if store else None
        with open_bytes(wanted.source, target.parent, checksum=checksum, store=kept, progress=progress) as opened:
            form = convert(opened, wanted, target, progress)
            size, checksum = opened.path.stat().st_size, opened.checksum
    shape = pq.read_metadata(target)
    return Downloaded(shape.num_rows, shape.num_columns, size, address.shown, checksum, form, generated)


def convert(opened: Opened, section: Download, target: Path, progress: Progress | None = None) -> str:
    """Turns a file into parquet.

    Returns:
        The format that it had.

    Raises:
        Refusal: It is no table.
    """
    from components.download.formats import format_of

    form = format_of(opened.path, opened.name, opened.shown) if section.format == "auto" else section.format
    if form in ("parquet", "arrow"):
        from components.download.columnar import convert_arrow, convert_parquet

        (convert_parquet if form == "parquet" else convert_arrow)(opened.path, opened.shown, target)
        return form
    from components.download.text_stream import TextStream

    open_text = partial(TextStream, opened.path, opened.shown, section.encoding or "utf-8", progress)
    if form == "csv":
        from components.download.csv_table import convert_csv

        convert_csv(open_text, opened.shown, section.delimiter or ",", target)
    else:
        from components.download.jsonl_table import convert_jsonl

        convert_jsonl(open_text, opened.shown, target)
    return form
