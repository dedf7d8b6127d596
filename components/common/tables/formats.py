"""Which format a table has: by its first bytes, then by its name."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from components.common.base.errors import Refusal

Format = Literal["csv", "jsonl", "parquet", "arrow", "excel"]
"""`jsonl` is JSON records of either kind: one object per line, or one array of objects."""
ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".data": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xlsb": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
"""Endings of compressed files."""
STREAM = "-"
"""Standard input, or output."""
_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"PK\x03\x04", "excel"),  # other zip archives are unpacked before
    (b"\xd0\xcf\x11\xe0", "excel"),
)
_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"FEA1", "a feather file of version 1"),
    (b"\x89HDF", "an HDF5 file"),
)
_KNOWN = "known are CSV, JSON lines, a JSON array of records, parquet, Arrow and Excel, each also as " + ", ".join(
    PACKED
)


def ending(name: str) -> str:
    """The ending of a file's name, in lower case, without that of its compression."""
    path = PurePath(name.lower())
    return (PurePath(path.stem) if path.suffix in PACKED else path).suffix


def format_of(head: bytes, name: str, where: str) -> Format:
    """Tells the format of a table.

    Args:
        head: Its first bytes, unpacked.
        name: What its source calls it.
        where: What to call it in a refusal.

    Raises:
        Refusal: It is empty, or of no known format.
    """
    named = ENDINGS.get(ending(name))
    if not head and named != "jsonl":  # JSON lines without a line are a table without rows
        raise Refusal("the file is empty", where=where)
    for magic, form in _MAGIC:
        if head.startswith(magic):
            return form
    if named in ("parquet", "arrow", "excel"):
        raise Refusal(
            f"its name says {named}, but its first bytes do not",
            where=where,
            value=repr(head[:20])[1:],
            mend="was it damaged or cut short? otherwise set download.format (--format)",
        )
    text = head.decode("utf-8", "replace").lstrip("\ufeff \t\r\n").lower()
    looks_like = next((called for magic, called in _OTHERS if head.startswith(magic)), None)
    if text.startswith(("<!doctype", "<html", "<?xml")):
        raise Refusal(
            "this is a web page, not a table",
            where=where,
            value=text[:60],
            rule=_KNOWN,
            mend="does the URL lead to a page about the table, or to a login?",
        )
    if looks_like or (not named and b"\0" in head and not head.startswith((b"\xff\xfe", b"\xfe\xff"))):
        raise Refusal(
            "the format is not known" + (f"; it looks like {looks_like}" if looks_like else ""),
            where=where,
            value=None if looks_like else repr(head[:20])[1:],
            rule=_KNOWN,
            mend="" if looks_like else "set download.format (--format) if it is one of them",
        )
    return named or ("jsonl" if text.startswith("{") or is_array(head) else "csv")


def is_array(head: bytes) -> bool:
    """Whether JSON text is one array of records, and not a line per record."""
    text = b"".join(head.removeprefix(b"\xef\xbb\xbf").split())
    return text.startswith((b"[{", b"[]")) or text == b"["
