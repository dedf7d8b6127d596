"""A request's body, read within its limits."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping

from tabpipe_server.errors import Unanswered

Receive = Callable[[], Awaitable[dict]]
_UTF8 = {"utf-8", "utf8", "us-ascii", "ascii"}

_MEMBERS = 100
"""Members of a gzip file that are unpacked: each copies what follows it."""


class ClientGone(Exception):
    """The connection ended before the request did: there is nobody to answer."""


def media_type(headers: Mapping[bytes, bytes]) -> str:
    """The content type without its parameters.

    Raises:
        Unanswered: It is absent, or its charset is not UTF-8.
    """
    given = headers.get(b"content-type", b"")
    if given == b"application/json":
        return "application/json"
    kind, _, parameters = given.decode("latin-1").partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in _UTF8:
            raise unsupported(given, "the charset is UTF-8")
    return kind.strip().lower()


def unsupported(given: bytes, rule: str = "application/json, or for /invocations also text/csv") -> Unanswered:
    """A body of a kind that is not read: 415."""
    return Unanswered(
        415,
        "UNSUPPORTED_MEDIA_TYPE",
        "the body's content type is not one that is read",
        where="header Content-Type",
        value=given.decode("latin-1") or "(absent)",
        rule=rule,
        mend="send the header Content-Type: application/json",
    )


async def read_body(headers: Mapping[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """Reads the whole body, as it was sent.

    Raises:
        Unanswered: It is longer than the limit.
        ClientGone: The connection ended before the body did.
    """
    length = headers.get(b"content-length")
    if length is not None and int(length) > limit:
        raise too_large(limit, int(length))
    message = await receive()
    if message["type"] != "http.request":
        raise ClientGone
    body = message["body"]
    if message["more_body"]:
        body = await _rest(bytearray(body), receive, limit)
    if len(body) > limit:
        raise too_large(limit)
    return body


async def _rest(body: bytearray, receive: Receive, limit: int) -> bytes:
    more = True
    while more:
        if len(body) > limit:
            raise too_large(limit)
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body += message["body"]
        more = message["more_body"]
    return bytes(body)


def too_large(limit: int, length: int | None = None) -> Unanswered:
    """A body over the limit: 413."""
    return Unanswered(
        413,
        "BODY_TOO_LARGE",
        "the body is too large",
        value=length,
        rule=f"at most {limit} bytes, unpacked",
        mend="send the rows in several requests, or use the batch command",
    )


def is_packed(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the body is packed by gzip.

    Raises:
        Unanswered: It is packed in a way that is not read.
    """
    packing = headers.get(b"content-encoding")
    kind = b"" if packing is None else packing.strip().lower()
    if kind in (b"identity", b""):
        return False
    if kind not in (b"gzip", b"x-gzip"):
        raise Unanswered(
            415,
            "UNSUPPORTED_ENCODING",
            "the body is packed in a way that is not read",
            where="header Content-Encoding",
            value=(packing or b"").decode("latin-1"),
            rule="gzip or none",
            mend="send it unpacked, or packed by gzip",
            headers=((b"accept-encoding", b"gzip"),),
        )
    return True


def unpacked_if_small(body: bytes, most: int) -> bytes | None:
    """Unpacks what is short; None where it is not, or where there is more to say of it than its content."""
    one = zlib.decompressobj(wbits=31)
    try:
        content = one.decompress(body, most)
    except zlib.error:
        return None
    return content if one.eof and not one.unused_data else None


def unpacked(body: bytes, limit: int) -> bytes:
    """Unpacks gzip, and no further than the limit.

    Raises:
        Unanswered: It is longer, or no gzip.
    """
    parts, left, size = [], body, 0
    try:
        while left:  # a gzip file may have several members
            one = zlib.decompressobj(wbits=31)
            parts.append(one.decompress(left, limit + 1 - size))
            size += len(parts[-1])
            if size > limit:
                raise too_large(limit)
            if not one.eof:
                raise zlib.error("it ends too early")
            if len(parts) > _MEMBERS:
                raise zlib.error(f"it has more than {_MEMBERS} members")
            left = one.unused_data
    except zlib.error as error:
        raise Unanswered(
            400,
            "BAD_ENCODING",
            f"the body is not valid gzip: {error}",
            where="header Content-Encoding",
            rule="a body packed by gzip, whole",
            mend="send the whole file, or leave out the header Content-Encoding",
        ) from None
    return b"".join(parts)
