"""Objects in S3 and in what speaks its protocol (AWS_ENDPOINT_URL names the server)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from components.common.base.errors import Refusal
from components.common.storage.address import Address
from components.common.storage.types import CHUNK, CONNECT_SECONDS, READ_SECONDS, Incoming, Passing, Validators

SETTINGS = "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL"
"""Where a client's settings come from, as messages name it."""


def unchanged(address: Address, known: Validators) -> bool | None:
    """Asks for an object's validators alone; nothing is said where they may not be asked for."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = address.target.partition("/")
    try:
        return known.same(_validators(client().head_object(Bucket=bucket, Key=key)))
    except (BotoCoreError, ClientError, ValueError):
        return None  # The GET that follows will tell what is wrong, if anything is.


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
    bucket, _, key = address.target.partition("/")
    with worded(address):
        answer = client().get_object(Bucket=bucket, Key=key)
    with closing(answer["Body"]):
        found = incoming(answer, address)
        yield None if known and known.same(found.validators) else found


def incoming(answer: dict[str, Any], address: Address) -> Incoming:
    """What S3 has answered with, about to be read.

    Args:
        answer: Of `get_object`; whoever asked closes its body.
        address: What was asked for.
    """
    validators = _validators(answer)
    return Incoming(validators, _chunks(answer["Body"], validators.size, address))


def client(connections: int = 10, own: Mapping[str, str] | None = None) -> Any:
    """A client of S3 that tries nothing again by itself; requests without credentials go unsigned.

    Args:
        connections: How many it keeps open, for as many threads.
        own: Arguments of boto3's client that come before what the AWS_* variables say.
    """
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    session, own = boto3.session.Session(), own or {}
    # Without credentials, public buckets can still be read.
    signed = "aws_access_key_id" in own or session.get_credentials()
    signature = {} if signed else {"signature_version": UNSIGNED}
    # The end of a port-forward is on this machine, where no proxy leads.
    direct: dict[str, Any] = {"proxies": {}} if own.get("endpoint_url", "").startswith("http://127.0.0.1:") else {}
    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"max_attempts": 0},
        max_pool_connections=connections,
        **signature,
        **direct,
    )
    return session.client("s3", config=config, **{"region_name": session.region_name or "us-east-1", **own})


def status_of(error: Any) -> tuple[int, str]:
    """The HTTP status and S3's own code of a ClientError."""
    response = error.response
    return response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0), response.get("Error", {}).get("Code", "")


def _validators(answer: dict[str, Any]) -> Validators:
    return Validators(
        etag=answer.get("ETag"),
        last_modified=answer["LastModified"].isoformat() if "LastModified" in answer else None,
        size=answer.get("ContentLength"),
        version=answer.get("VersionId"),
    )


def _chunks(body: Any, expected: int | None, address: Address) -> Iterator[bytes]:
    came = 0
    with worded(address):
        for chunk in body.iter_chunks(CHUNK):
            came += len(chunk)
            yield chunk
        if expected is not None and came != expected:
            raise Passing(f"the connection broke after {came} of {expected} bytes")


@contextmanager
def worded(address: Address, settings: str = SETTINGS) -> Iterator[None]:
    """Words what can go wrong: `Passing` for what may pass when tried again, a `Refusal` for the rest.

    Args:
        address: What is asked for.
        settings: The variables to check.
    """
    from botocore import exceptions
    from urllib3.exceptions import HTTPError

    passing = (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.IncompleteReadError,
        exceptions.FlexibleChecksumError,
        HTTPError,
    )

    try:
        yield
    except exceptions.ClientError as error:
        status, code = status_of(error)
        said = f"the server answered {status} {code}".rstrip()
        if status >= 500 or status in (408, 429) or code == "SlowDown":
            raise Passing(said) from None
        if status == 404:
            mend = "check the name of the bucket" if code == "NoSuchBucket" else "check the object's name"
        else:
            mend = f"check {settings} and what they may do"
        raise Refusal(said, where=address.shown, mend=mend) from None
    except passing as error:
        raise Passing(f"the connection failed ({type(error).__name__})") from None
    except (exceptions.BotoCoreError, ValueError) as error:
        raise Refusal(str(error), where=address.shown, mend=f"check {settings}") from None
