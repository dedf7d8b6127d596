"""An artifact store in a bucket of S3, or of what speaks its protocol."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from components.common.base.errors import Refusal
from components.common.storage.address import Address
from components.common.storage.backend import Found
from components.common.storage.fetch import pour, tried
from components.common.storage.multipart import PART, give_up, send_parts
from components.common.storage.s3 import SETTINGS, client, incoming, status_of, worded
from components.common.storage.types import Progress

_READERS = 16
_LOST = (409, 412)
"""Answers to a condition that failed: another writer has the key, or is about to."""

Result = TypeVar("Result")


class BucketPlace:
    """Keys are objects below a prefix. The first writer wins by `If-None-Match: *`.

    What fails on the way is tried three times, each part of a large file by itself.

    Args:
        bucket: The bucket, which must exist.
        prefix: What stands before all keys; empty, or without a slash at its end.
        own: Arguments of boto3's client that are the store's own; all others are as the AWS_* variables say.
        settings: The variables that these come from, for messages.
    """

    def __init__(self, bucket: str, prefix: str, own: Mapping[str, str] | None = None, settings: str = SETTINGS):
        self.bucket, self._before = bucket, f"{prefix}/" if prefix else ""
        self._own, self._settings = dict(own or {}), settings
        self.shown = f"s3://{bucket}/{prefix}".rstrip("/")

    def where(self, key: str) -> str:
        """The URL of a key."""
        return f"s3://{self.bucket}/{self._before}{key}"

    def read(self, key: str) -> bytes | None:
        """The bytes behind a key; None where there is none."""

        def once() -> bytes:
            with closing(self._client.get_object(Bucket=self.bucket, Key=self._before + key)["Body"]) as body:
                return body.read()

        return self._asked(key, once)

    def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """The same for many keys, several at a time."""
        if len(keys) < 2:
            return [self.read(key) for key in keys]
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self.read, keys))

    def create(self, key: str, data: bytes) -> bool:
        """Puts bytes behind a key that is free; says whether it was."""
        tries = 0

        def once() -> bool:
            from botocore.exceptions import ClientError

            nonlocal tries
            tries += 1
            try:
                self._client.put_object(
                    Bucket=self.bucket,
                    Key=self._before + key,
                    Body=data,
                    IfNoneMatch="*",
                    ContentType="application/json",
                )
            except ClientError as error:
                if status_of(error)[0] not in _LOST:
                    raise
                # A first try may have been carried out although its answer was lost; the second then finds its work.
                return tries > 1 and self.read(key) == data
            return True

        return bool(self._asked(key, once))

    def keys(self, prefix: str, after: str = "") -> Iterator[Found]:
        """All keys that start with a prefix and come after another, in their order."""
        more: dict[str, str] = {"StartAfter": self._before + after} if after else {}
        while True:
            page = self._page(prefix, **more)
            for entry in page.get("Contents", []):
                key = entry["Key"].removeprefix(self._before)
                yield Found(key, entry["Size"], entry["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def first(self, prefix: str) -> str | None:
        """The first key that starts with a prefix."""
        found = self._page(prefix, MaxKeys=1).get("Contents", [])
        return found[0]["Key"].removeprefix(self._before) if found else None

    def folders(self, prefix: str) -> list[str]:
        """The names that follow a prefix, up to the next slash."""
        names: list[str] = []
        more: dict[str, str] = {}
        while True:
            page = self._page(prefix, Delimiter="/", **more)
            start = len(self._before + prefix)
            names += [entry["Prefix"][start:].rstrip("/") for entry in page.get("CommonPrefixes", [])]
            if not page.get("IsTruncated"):
                return names
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def look(self, key: str) -> Found | None:
        """What is behind a key; None where it is free."""

        def once() -> Found:
            answer = self._client.head_object(Bucket=self.bucket, Key=self._before + key)
            return Found(key, answer["ContentLength"], answer["LastModified"].timestamp())

        return self._asked(key, once)

    def touch(self, key: str) -> bool:
        """Copies an object onto itself, which servers do with up to 5 GiB."""
        itself = {"Bucket": self.bucket, "Key": self._before + key}
        try:
            copied = self._asked(
                key, lambda: self._client.copy_object(**itself, CopySource=itself, MetadataDirective="REPLACE")
            )
        except Refusal:
            return False
        return copied is not None

    def upload(
        self, key: str, path: Path, digest: str, check: Callable[[], None], progress: Progress | None = None
    ) -> None:
        """Sends a file, a large one in parts of which four are on their way at a time."""
        size = path.stat().st_size
        if size > PART:
            request = {"Bucket": self.bucket, "Key": self._before + key}
            send_parts(self._client, request, path, size, check, progress, ask=lambda once: self._done(key, once))
            return
        data = path.read_bytes()
        check()
        self.upload_bytes(key, data, digest)

    def upload_bytes(self, key: str, data: bytes, digest: str) -> None:
        """Sends bytes; the server compares them with their digest."""
        checksum = base64.b64encode(bytes.fromhex(digest)).decode()
        place = {"Bucket": self.bucket, "Key": self._before + key}
        self._done(key, lambda: self._client.put_object(**place, Body=data, ChecksumSHA256=checksum))

    def bring(self, key: str, path: Path, progress: Progress | None = None) -> str | None:
        """Streams the bytes behind a key to a file and hashes them on the way."""

        def once() -> str:
            answer = self._client.get_object(Bucket=self.bucket, Key=self._before + key)
            with closing(answer["Body"]):
                return pour(incoming(answer, self._address(key)), path, progress)[0]

        return self._asked(key, once)

    def local(self, key: str) -> Path | None:
        """None: no file of this machine holds the bytes."""
        return None

    def delete(self, keys: Iterable[str]) -> None:
        """Frees keys, a thousand at a time."""
        left = [{"Key": self._before + key} for key in keys]
        for start in range(0, len(left), 1000):
            batch = {"Objects": left[start : start + 1000], "Quiet": True}
            if errors := self._delete(batch).get("Errors"):
                raise Refusal(
                    f"the server did not delete it ({errors[0].get('Code')})",
                    where=f"s3://{self.bucket}/{errors[0].get('Key')}",
                    mend=f"check {self._settings} and what they may do",
                )

    def clear_uploads(self, before: float) -> int:
        """Gives up uploads in parts. MinIO does not list them by prefix; it gives them up by itself after a day."""
        cleared = 0
        with suppress(Refusal):  # Some servers cannot list them; some users may not. They cost space, no more.
            for upload in self._uploads("objects/").get("Uploads", []):
                if upload["Initiated"].timestamp() < before:
                    give_up(self._client, {"Bucket": self.bucket, "Key": upload["Key"]}, upload["UploadId"])
                    cleared += 1
        return cleared

    def _delete(self, batch: dict[str, Any]) -> dict[str, Any]:
        return self._done("", lambda: self._client.delete_objects(Bucket=self.bucket, Delete=batch))

    def _uploads(self, prefix: str) -> dict[str, Any]:
        return self._done(
            prefix, lambda: self._client.list_multipart_uploads(Bucket=self.bucket, Prefix=self._before + prefix)
        )

    def _page(self, prefix: str, **more: Any) -> dict[str, Any]:
        return self._done(
            prefix, lambda: self._client.list_objects_v2(Bucket=self.bucket, Prefix=self._before + prefix, **more)
        )

    def _asked(self, key: str, once: Callable[[], Result]) -> Result | None:
        """Carries out what may find nothing there; a bucket that is not there is refused all the same."""
        from botocore.exceptions import ClientError

        def or_none() -> Result | None:
            try:
                return once()
            except ClientError as error:
                status, code = status_of(error)
                if status == 404 and code != "NoSuchBucket":
                    return None
                raise

        return self._done(key, or_none)

    def _done(self, key: str, once: Callable[[], Result]) -> Result:
        address = self._address(key)

        def attempt() -> Result:
            with worded(address, self._settings):
                return once()

        return tried(attempt, address)

    def _address(self, key: str) -> Address:
        return Address("s3", f"{self.bucket}/{self._before}{key}", self.where(key), key)

    @cached_property
    def _client(self) -> Any:
        with worded(self._address(""), self._settings):
            return client(_READERS, self._own)
