"""Section `download`: where the table comes from."""

from __future__ import annotations

from pydantic import Field

from components.common.config.base import Kind
from components.common.config.reading import Reading


class Download(Reading):
    """Where the table comes from and how it is written."""

    source: str
    """A path, an http(s)://, s3:// or artifact://NAME:ALIAS URL, or sample://NAME for a table of tabpipe's own.
    A folder of part files, a glob (data/2026-*.csv) and an s3:// prefix that ends with a slash are one table."""


class DownloadArgument(Download):
    """What the step download is handed."""

    kinds: dict[str, Kind] = Field(default_factory=dict)
    """The declared columns and their kinds; nothing where no config names any."""
