"""Makes buckets in an S3 store where they are missing: `buckets.py NAME…`.

The store is where AWS_ENDPOINT_URL says, the keys are those of boto3's variables.
"""

from __future__ import annotations

import os
import sys
import time

import boto3
import botocore.config
import botocore.exceptions

WAIT = 300
"""Seconds that the store may take to answer."""


def main(names: list[str]) -> None:
    """Makes each bucket that is not there yet."""
    config = botocore.config.Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 1})
    store = boto3.client("s3", config=config)
    end = time.monotonic() + WAIT
    for name in names:
        while not _made(store, name):
            if time.monotonic() > end:
                sys.exit(f"no bucket {name} at {os.environ.get('AWS_ENDPOINT_URL')} within {WAIT} s")
            time.sleep(2)


def _made(store: object, name: str) -> bool:
    """Whether the bucket is there now; says what it did, or why not."""
    try:
        store.create_bucket(Bucket=name)
        print(f"{name}: made", flush=True)
    except store.exceptions.BucketAlreadyOwnedByYou:
        print(f"{name}: is there", flush=True)
    except store.exceptions.BucketAlreadyExists:
        sys.exit(f"{name}: there is a bucket of this name, but it is somebody else's")
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "InvalidBucketName"):
            sys.exit(f"{name}: {error}")
        print(f"{name}: not yet ({error})", flush=True)
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1:])
