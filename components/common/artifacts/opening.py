"""Opening a store by its URL."""

from __future__ import annotations

import os
from pathlib import Path

from components.common.artifacts.store import Store
from components.common.errors import Refusal, nearest
from components.common.sources.address import redact

VARIABLE = "TABPIPE_ARTIFACTS"


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
        Refusal: It is neither.
    """
    text = os.fspath(url) if url else default_url()
    scheme, separator, rest = text.partition("://")
    if not separator or scheme == "file":
        from components.common.artifacts.folder import FolderPlace

        root = Path(rest if separator else text).expanduser().absolute()
        if root.exists() and not root.is_dir():
            raise Refusal("this is a file", where=str(root), rule="an artifact store is a folder or an s3:// URL")
        return Store(FolderPlace(root))
    if scheme == "s3":
        bucket, _, prefix = rest.rpartition("@")[2].partition("/")
        if not bucket:
            raise Refusal("the URL names no bucket", where=redact(text), mend="write s3://bucket/prefix")
        from components.common.artifacts.bucket import BucketPlace

        return Store(BucketPlace(bucket, prefix.strip("/")))
    raise Refusal(
        f"artifact stores of the kind {scheme}:// are not known",
        where=redact(text),
        rule="a folder, or s3://bucket/prefix",
        mend=nearest(scheme, ("s3", "file")),
    )
