"""Objects behind http(s) URLs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from components.common.base.errors import Refusal, innermost
from components.common.storage.address import Address
from components.common.storage.types import CHUNK, CONNECT_SECONDS, READ_SECONDS, Incoming, Passing, Validators

if TYPE_CHECKING:
    import requests

_MENDS = {
    401: "the server wants credentials: put them into the URL (https://user:password@host/…) or into ~/.netrc",
    403: "check that the URL may be read from here, and that a signature in it has not expired",
    404: "check the URL; nothing is there",
    410: "check the URL; nothing is there any more",
}
_NOT_MODIFIED = 304


def unchanged(address: Address, known: Validators) -> bool | None:
    """Asks for an object's validators alone; nothing is said where the server does not tell."""
    import requests

    try:
        with _ask("HEAD", address, {}) as response:
            if response.status_code != 200:
                return None  # Many servers allow no HEAD. The GET that follows will tell what is wrong, if anything is.
            found = _validators(response)
    except requests.RequestException:
        return None
    return True if known.same(found) else False if known.differs(found) else None


@contextmanager
def get(address: Address, known: Validators | None) -> Iterator[Incoming | None]:
    """Opens an object to read its bytes.

    Args:
        address: Where it is.
        known: The validators of the version that is here already.

    Yields:
        The object, or nothing where it is the version that is here already.

    Raises:
        Passing: The connection failed, or the server did.
        Refusal: The server says no.
    """
    headers = {}
    if known and known.etag:
        headers["If-None-Match"] = known.etag
    if known and known.last_modified:
        headers["If-Modified-Since"] = known.last_modified
    with _worded(address):
        response = _ask("GET", address, headers)
    with response:
        if known and response.status_code == _NOT_MODIFIED:
            yield None
            return
        _check(response, address)
        validators = _validators(response)
        if known and known.same(validators):
            yield None  # The server ignores conditions; its bytes are left unread.
            return
        yield Incoming(validators, _chunks(response, address))


def _ask(method: str, address: Address, headers: dict[str, str]) -> requests.Response:
    import requests

    return requests.request(
        method,
        address.target,
        headers={"Accept-Encoding": "identity", "User-Agent": "tabpipe", **headers},
        stream=True,
        timeout=(CONNECT_SECONDS, READ_SECONDS),
        allow_redirects=True,
    )


def _check(response: requests.Response, address: Address) -> None:
    status = response.status_code
    if status == 200:
        return
    said = f"the server answered {status} {response.reason or ''}".rstrip()
    if status >= 500 or status in (408, 425, 429):
        raise Passing(said)
    raise Refusal(said, where=address.shown, mend=_MENDS.get(status, "check the URL"))


def _validators(response: requests.Response) -> Validators:
    length = response.headers.get("Content-Length", "")
    return Validators(
        etag=response.headers.get("ETag"),
        last_modified=response.headers.get("Last-Modified"),
        size=int(length) if length.isdigit() else None,
    )


def _chunks(response: requests.Response, address: Address) -> Iterator[bytes]:
    expected = _validators(response).size
    with _worded(address):
        yield from response.iter_content(CHUNK)
        came = response.raw.tell()  # As counted on the wire: a body may have been compressed in spite of our asking.
        if expected is not None and came != expected:
            raise Passing(f"the connection broke after {came} of {expected} bytes")


@contextmanager
def _worded(address: Address) -> Iterator[None]:
    """Words what can go wrong with a connection. The library's own words would show the URL with its secrets."""
    import requests
    from urllib3.exceptions import HTTPError, IncompleteRead

    try:
        yield
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
        raise Refusal("not a URL", where=address.shown) from None
    except requests.exceptions.TooManyRedirects:
        raise Refusal("the server redirects in a circle", where=address.shown) from None
    except requests.exceptions.SSLError as error:
        raise Refusal(
            f"no trusted connection ({_cause(error)})",
            where=address.shown,
            mend="for a private authority, set REQUESTS_CA_BUNDLE to its certificate",
        ) from None
    except requests.exceptions.ConnectTimeout:
        raise Passing(f"no connection within {CONNECT_SECONDS} s") from None
    except (requests.RequestException, HTTPError) as error:
        if isinstance(error, requests.exceptions.Timeout) or "timed out" in str(error):
            raise Passing(f"no further bytes within {READ_SECONDS} s") from None
        causes = [error, *error.args, *getattr(error.args[0] if error.args else None, "args", ())]
        for cause in causes:
            if isinstance(cause, IncompleteRead):
                raise Passing(f"the connection broke after {cause.partial} bytes, {cause.expected} short") from None
        raise Passing(f"the connection failed ({_cause(error)})") from None


def _cause(error: BaseException) -> str:
    """The innermost reason of an error, which names no URL."""
    inner = innermost(error)
    return getattr(inner, "strerror", None) or type(inner).__name__
