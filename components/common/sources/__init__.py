"""Bytes from where a user says: a path, an http(s) or s3 URL; what they are, and whether they changed.

`resolve` learns the checksum of a source before a pipeline runs, reading again only what changed. `open_bytes` gives
a step a file with those bytes. `fetch` brings a source to a path.
"""

from components.common.sources.address import Address, parse, redact
from components.common.sources.opening import Opened, open_bytes
from components.common.sources.resolving import Version, resolve
from components.common.sources.transfer import Fetched, Progress, fetch
from components.common.sources.words import in_words

__all__ = [
    "Address",
    "Fetched",
    "Opened",
    "Progress",
    "Version",
    "fetch",
    "in_words",
    "open_bytes",
    "parse",
    "redact",
    "resolve",
]
