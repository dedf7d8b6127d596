"""Bytes from where a user says: a path, an http(s) or s3 URL; what they are, and whether they changed.

`resolve` learns the checksum of a source before a pipeline runs, reading again only what changed. `open_bytes` gives
a step a file with those bytes, or its part files, for `open_table`. `fetch` brings a source to a path.
"""

from components.common.base.redact import redact
from components.common.sources.open import Opened, open_bytes
from components.common.sources.parts import Parts, parts_of, paths_of
from components.common.sources.resolve import Version, resolve
from components.common.storage.address import Address, parse
from components.common.storage.fetch import Fetched, fetch
from components.common.storage.progress import in_words
from components.common.storage.types import Progress

__all__ = [
    "Address",
    "Fetched",
    "Opened",
    "Parts",
    "Progress",
    "Version",
    "fetch",
    "in_words",
    "open_bytes",
    "parse",
    "parts_of",
    "paths_of",
    "redact",
    "resolve",
]
