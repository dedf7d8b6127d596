"""Step download: whatever the source is, a parquet table comes out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.config.base import accept
from components.common.config.download import DownloadArgument
from components.common.sources import Progress, open_bytes, parse
from components.download.convert import convert


@dataclass(frozen=True)
class Downloaded:
    """What was read and what was written."""

    rows: int
    columns: int
    bytes: int
    """Size of the source, all its part files; of the written table where the source is a sample."""
    source: str
    """The source, without credentials."""
    checksum: str
    """SHA-256 in hex of the source's bytes, as `sources.resolve` gives it, or `sample:NAME`."""
    format: str
    """csv, jsonl, parquet, arrow, excel or sample."""
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
            form = convert(opened.path, wanted, target, name=opened.name, where=opened.shown, progress=progress)
            size, checksum = opened.size, opened.checksum
    shape = pq.read_metadata(target)
    return Downloaded(shape.num_rows, shape.num_columns, size, address.shown, checksum, form, generated)
