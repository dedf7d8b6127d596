"""Sending a large file to S3 in parts: a few at a time, each tried again by itself, all of them or nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.storage.address import Address
from components.common.storage.s3 import status_of, worded
from components.common.storage.types import Passing, Progress

PART = 16 << 20
"""Bytes of a part; smaller files are sent whole."""
_MOST_PARTS = 10_000
_AT_ONCE = 4
"""Parts on their way, each held in memory."""

Request = dict[str, str]
"""Bucket and Key."""


def send_parts(
    client: Any,
    request: Request,
    path: Path,
    size: int,
    check: Callable[[], None],
    progress: Progress | None,
    ask: Callable[[Callable[[], Any]], Any],
) -> None:
    """Sends a file in parts. The object is there when the last call succeeds, and not before.

    Args:
        client: Of S3.
        request: Where to.
        path: The file.
        size: Its bytes.
        check: Raises where the file is no longer the one that was hashed; is called before the object is there.
        progress: Is told bytes so far and bytes in all.
        ask: Carries out a request, again where it failed in passing.
    """
    length = max(PART, -(-size // _MOST_PARTS // PART) * PART)
    upload = ask(lambda: client.create_multipart_upload(**request))["UploadId"]

    def send(number: int) -> tuple[int, dict[str, Any]]:
        with open(path, "rb") as file:
            file.seek((number - 1) * length)
            data = file.read(length)
        answer = ask(lambda: client.upload_part(**request, UploadId=upload, PartNumber=number, Body=data))
        checksums = {name: answer[name] for name in answer if name in ("ChecksumCRC32", "ChecksumCRC64NVME")}
        return len(data), {"PartNumber": number, "ETag": answer["ETag"], **checksums}

    def finish(parts: list[dict[str, Any]]) -> None:
        from botocore.exceptions import ClientError

        whole = {"Parts": sorted(parts, key=lambda part: part["PartNumber"])}
        try:
            client.complete_multipart_upload(**request, UploadId=upload, MultipartUpload=whole)
        except ClientError as error:
            # An earlier try may have been carried out although its answer was lost.
            if status_of(error)[1] != "NoSuchUpload":
                raise
            if client.head_object(**request)["ContentLength"] != size:
                raise

    pool = ThreadPoolExecutor(_AT_ONCE)
    try:
        parts, done = [], 0
        for future in as_completed([pool.submit(send, number) for number in range(1, -(-size // length) + 1)]):
            sent, part = future.result()
            parts.append(part)
            done += sent
            if progress:
                progress(done, size)
        check()
        ask(lambda: finish(parts))
    except BaseException:
        pool.shutdown(cancel_futures=True)
        give_up(client, request, upload)
        raise
    finally:
        pool.shutdown()


def give_up(client: Any, request: Request, upload: str) -> None:
    """Gives an upload up, so that its parts take no space; does nothing where the server does not answer."""
    shown = f"s3://{request['Bucket']}/{request['Key']}"
    with suppress(Refusal, Passing), worded(Address("s3", shown, shown, shown)):
        client.abort_multipart_upload(**request, UploadId=upload)
