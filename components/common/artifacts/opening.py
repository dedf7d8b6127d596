"""Opening a store by its URL."""

from __future__ import annotations

import os
from pathlib import Path

from components.common.artifacts.store import Store
from components.common.base.errors import Refusal, nearest
from components.common.base.redact import redact

VARIABLE = "TABPIPE_ARTIFACTS"
"""Names the store. What is the store's own of S3's settings stands in variables that begin so."""
_OWN = {
    f"{VARIABLE}_ENDPOINT_URL": "endpoint_url",
    f"{VARIABLE}_ACCESS_KEY_ID": "aws_access_key_id",
    f"{VARIABLE}_SECRET_ACCESS_KEY": "aws_secret_access_key",
    f"{VARIABLE}_REGION": "region_name",
}
"""Variable to the argument of boto3's client. The AWS_* variables are those of the source, which may lie elsewhere."""
_KEYS = tuple(_OWN)[1:3]


def default_url() -> str:
    """TABPIPE_ARTIFACTS, or the folder artifacts/ in TABPIPE_HOME, or that in output/ of the project."""
    if url := os.environ.get(VARIABLE):
        return url
    home = os.environ.get("TABPIPE_HOME") or Path(__file__).resolve().parents[3] / "output"
    return str(Path(home).absolute() / "artifacts")


def open_store(url: str | os.PathLike[str] | None = None) -> Store:
    """Opens a store. Nothing is written or asked yet.

    Args:
        url: A folder, or s3://bucket/prefix; TABPIPE_ARTIFACTS by default.

    Raises:
        Refusal: It is neither, or one of its keys is missing.
    """
    text = os.fspath(url) if url else default_url()
    scheme, separator, rest = text.partition("://")
    if not separator or scheme == "file":
        from components.common.storage.folder_backend import FolderPlace

        root = Path(rest if separator else text).expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise Refusal("this is a file", where=str(root), rule="an artifact store is a folder or an s3:// URL")
        return Store(FolderPlace(root))
    if scheme == "s3":
        bucket, _, prefix = rest.rpartition("@")[2].partition("/")
        if not bucket:
            raise Refusal("the URL names no bucket", where=redact(text), mend="write s3://bucket/prefix")
        from components.common.storage.s3_backend import BucketPlace

        own = _own_settings()
        # What is not the store's own comes of AWS_*; a message names both.
        settings = {"settings": f"{', '.join(own)} (AWS_* where one is not set)"} if own else {}
        arguments = {_OWN[variable]: value for variable, value in own.items()}
        return Store(BucketPlace(bucket, prefix.strip("/"), arguments, **settings))
    raise Refusal(
        f"artifact stores of the kind {scheme}:// are not known",
        where=redact(text),
        rule="a folder, or s3://bucket/prefix",
        mend=nearest(scheme, ("s3", "file")),
    )


def _own_settings() -> dict[str, str]:
    """The variables that hold the store's own settings, as far as they are set."""
    own = {variable: value for variable in _OWN if (value := os.environ.get(variable))}
    missing = [variable for variable in _KEYS if variable not in own]
    if len(missing) == 1:
        raise Refusal("the other one of the two keys is set, this one is not", where=missing[0], mend="set both")
    return own
