"""The cluster's MinIO and MLflow, reached from this machine, and files of this machine kept for runs to read."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.common.artifacts.opening import VARIABLE as ARTIFACTS
from components.common.base.errors import Refusal
from components.common.config.cluster import Cluster as Settings
from tabpipe.cluster.client import NAMESPACE, PATIENCE, Cluster, answered
from tabpipe.cluster.forward import forwarded
from tabpipe.cluster.secrets import STORE

BUCKET = "tabpipe"
_REGION = "us-east-1"
_LONG = 50_000_000
"""Bytes whose transfer takes long enough to be shown."""


@contextmanager
def minio(cluster: Cluster) -> Iterator[Any]:
    """A boto3 client of the cluster's MinIO, by way of `kubectl port-forward`.

    Raises:
        Refusal: There is no MinIO or no permission to reach it.
    """
    import boto3
    from botocore.config import Config

    with _keys_and_address(cluster) as (access, key, address):
        yield boto3.client(
            "s3",
            endpoint_url=address,
            aws_access_key_id=access,
            aws_secret_access_key=key,
            region_name=_REGION,
            config=Config(connect_timeout=5, retries={"max_attempts": 5}, proxies={}),
        )


@contextmanager
def reached_store(cluster: Cluster) -> Iterator[dict[str, str]]:
    """Opens a way to the artifacts that runs on the cluster have made, where a config leaves their place as it is.

    Yields:
        The variables by which `components.common.artifacts.open_store` finds them, for as long as the way is open.

    Raises:
        Refusal: There is no MinIO or no permission to reach it.
    """
    with _keys_and_address(cluster) as (access, key, address):
        yield {
            ARTIFACTS: Settings().artifacts,
            f"{ARTIFACTS}_ENDPOINT_URL": address,
            f"{ARTIFACTS}_ACCESS_KEY_ID": access,
            f"{ARTIFACTS}_SECRET_ACCESS_KEY": key,
            f"{ARTIFACTS}_REGION": _REGION,
        }


@contextmanager
def reached_mlflow(cluster: Cluster) -> Iterator[str]:
    """Opens a way to the cluster's MLflow for its client, which cannot go by the Kubernetes API.

    Yields:
        The MLFLOW_TRACKING_URI, for as long as the way is open. It is of this machine, where no proxy leads.

    Raises:
        Refusal: There is no MLflow or no permission to reach it.
    """
    with forwarded(cluster, "mlflow", 5000, "the cluster's MLflow") as address:
        yield address


@contextmanager
def _keys_and_address(cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """The two keys of the cluster's MinIO, and its URL on this machine."""
    with answered(cluster.context):
        secret = cluster.core.read_namespaced_secret(STORE, NAMESPACE, _request_timeout=PATIENCE).data
    access, key = (base64.b64decode(secret[name]).decode() for name in ("accesskey", "secretkey"))
    with forwarded(cluster, "minio", 9000, "the cluster's MinIO") as address:
        yield access, key, address


def keep_source(cluster: Cluster, source: str, say: Callable[[str], None]) -> str:
    """Puts a file of this machine, or its part files, where steps can read it, by content: equal bytes are sent once.

    Args:
        cluster: Where.
        source: The path of a file or a folder, or a pattern.
        say: Is told how far the transfer is.

    Returns:
        Its `s3://` address in the cluster's MinIO; that of part files ends with a slash.

    Raises:
        Refusal: There is no such file, it changes while it is sent, or MinIO cannot take it.
    """
    from boto3.s3.transfer import TransferConfig
    from botocore.exceptions import BotoCoreError, ClientError

    from components.common.sources import open_bytes

    sent = [0, 0]
    with open_bytes(source, Path()) as opened, minio(cluster) as client:
        size, folder = opened.size, f"sources/{opened.checksum}/"

        def tell(count: int) -> None:
            sent[0] += count
            if size > _LONG and sent[0] * 10 // max(size, 1) > sent[1]:
                sent[1] = sent[0] * 10 // max(size, 1)
                say(f"  {Path(source).name}: {sent[0] / 1e6:.0f} of {size / 1e6:.0f} MB sent to the cluster's MinIO")

        for path in opened.paths:
            key = folder + path.name
            try:
                if not _there(client, key):
                    # One at a time: a port-forward drops connections under many.
                    client.upload_file(str(path), BUCKET, key, Callback=tell, Config=TransferConfig(use_threads=False))
            except (BotoCoreError, ClientError) as error:
                raise Refusal(
                    f"the cluster's MinIO does not take the source: {error}", where=f"s3://{BUCKET}/{key}"
                ) from None
    return f"s3://{BUCKET}/{folder}{'' if isinstance(opened.path, list) else opened.name}"


def _there(client: Any, key: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        client.head_object(Bucket=BUCKET, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("404", "NoSuchKey", "NotFound"):
            return False
        raise
    return True
