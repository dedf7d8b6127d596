"""Which format a file has: by its first bytes, then by its name."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Literal

from components.common.base.errors import Refusal
from components.download.text_stream import is_gzip

Format = Literal["csv", "parquet", "arrow", "jsonl"]

_ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
)
_OTHERS = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd"),
    (b"BZh", "compressed by bzip2"),
    (b"\xfd7zXZ", "compressed by xz"),
    (b"%PDF", "a PDF"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"SQLite format 3", "an SQLite database"),
)
_KNOWN = "known are CSV and JSON lines (both also as .gz), parquet, and Arrow"


def format_of(path: Path, name: str, where: str) -> Format:
    """Tells a file's format.

    Args:
        path: The file.
        name: What the source calls it.
        where: What to call it in a refusal.

    Raises:
        Refusal: It is empty, or of no known format.
    """
    head = _head(path)
    if not path.stat().st_size or (is_gzip(path) and not head):
        raise Refusal("the file is empty", where=where)
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    named = _ENDINGS.get(Path(name.lower().removesuffix(".gz")).suffix)
    if named in ("parquet", "arrow"):
        raise Refusal(
            f"its name says {named}, but its first bytes do not",
            where=where,
            value=repr(head[:20])[1:],
            mend="was it damaged? otherwise set download.format",
        )
    for magic, called in _OTHERS:
        if head.startswith(magic):
            raise Refusal(f"the format is not known; it looks like {called}", where=where, rule=_KNOWN)
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower()
    if text.startswith(("<!doctype", "<html", "<?xml")):
        raise Refusal(
            "this is a web page, not a table",
            where=where,
            value=text[:60],
            rule=_KNOWN,
            mend="does the URL lead to a page about the table, or to a login?",
        )
    if text.startswith("[") and named == "jsonl":
        raise Refusal(
            "this is one JSON array",
            where=where,
            rule="JSON lines have one object per line",
            mend="write it with one object per line, for instance by `jq -c '.[]'`",
        )
    if named:
        return named
    if text.startswith("{"):
        return "jsonl"
    if b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refusal(
            "the format is not known",
            where=where,
            value=repr(head[:20])[1:],
            rule=_KNOWN,
            mend="set download.format if it is one of them",
        )
    return "csv"


def _head(path: Path) -> bytes:
    with open(path, "rb") as file:
        head = file.read(4096)
    if is_gzip(path):
        try:
            return zlib.decompressobj(wbits=31).decompress(head, 4096)
        except zlib.error:
            return b"?"  # Damaged: reading it will tell.
    return head
