"""Section `download`: where the table comes from."""

from __future__ import annotations

from typing import Literal

from components.common.config.base import Section


class Download(Section):
    """Where the table comes from and how to read it."""

    source: str
    """A path, an http(s)://, s3:// or artifact://NAME:ALIAS URL, or sample://NAME for a table of tabpipe's own."""
    format: Literal["auto", "csv", "parquet", "arrow", "jsonl"] = "auto"
    """The file's format; `auto` goes by its name and first bytes. CSV and JSON lines may be gzipped."""
    delimiter: str = ","
    """What separates the fields of a CSV."""
    encoding: str = "utf-8"
    """The text encoding of a CSV."""
