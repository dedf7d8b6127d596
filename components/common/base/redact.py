"""Addresses without their secrets, fit to be shown."""

from __future__ import annotations

import re
from urllib.parse import unquote

_SECRET = re.compile(r"^x-(amz|goog|ms)-|sig|token|key|secret|passw|pwd|auth|credential|session", re.IGNORECASE)


def redact(source: str) -> str:
    """A source without user name and password, and with the values of secret-looking query fields replaced by `***`.

    Secret-looking are names such as X-Amz-Signature, sig, token, key.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    rest = rest.partition("#")[0]
    rest, mark, query = rest.partition("?")
    host, slash, path = rest.partition("/")
    fields = [_redact_field(field) for field in query.split("&")]
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}{mark}{'&'.join(fields)}"


def _redact_field(field: str) -> str:
    name, sign, value = field.partition("=")
    return f"{name}{sign}***" if value and _SECRET.search(unquote(name)) else field
