"""Texts without secrets: what libraries say of a failed request holds URLs, and these may hold passwords."""

from __future__ import annotations

import os
import re

from components.common.base.errors import shorten
from components.common.base.redact import redact

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_SECRET = re.compile(r"secret|passw|pwd|token|api_?key|access_key|credential", re.IGNORECASE)
_A_PATH = re.compile(r"_(FILE|PATH|DIR|URL|URI)$|^(OLD)?PWD$", re.IGNORECASE)
_SHORTEST = 4
"""A shorter value may stand anywhere by chance."""


def redacted(text: object, limit: int = 600) -> str:
    """A text on one line, URLs without credentials, and without the values of variables that hold secrets."""
    words = _URL.sub(lambda found: redact(found[0]), str(text))
    for value in sorted(_secrets(), key=len, reverse=True):
        words = words.replace(value, "***")
    return shorten(re.sub(r"\s*\n\s*", "; ", words.strip()), limit)


def _secrets() -> list[str]:
    return [
        value
        for name, value in os.environ.items()
        if len(value) >= _SHORTEST and _SECRET.search(name) and not _A_PATH.search(name)
    ]
