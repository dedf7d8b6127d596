"""The bytes of a file, unpacked as they are read: gz, bz2, xz, zst, and a zip archive of one file."""

from __future__ import annotations

import io
import lzma
import shutil
import tempfile
import zipfile
import zlib
from contextlib import ExitStack
from typing import Any, BinaryIO

from components.common.base.errors import Refusal

BUFFER = 1 << 20
_MAGIC = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_ZIP = b"PK\x03\x04"
_MOST, _RATIO = 1 << 30, 500
"""Bytes, and how many times those of the packed file, beyond which an unpacked file is a bomb."""
_DAMAGED = (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


class _Unpacked(io.RawIOBase):
    """Unpacked bytes.

    Args:
        inner: What unpacks.
        packed: What it reads from.
        size: Bytes of the packed file, if they are known.
        called: The compression.
        where: What to call the file in a refusal.

    Raises:
        Refusal: On reading: the file is damaged or cut short, or unpacks to more than is plausible.
    """

    def __init__(self, inner: Any, packed: BinaryIO, size: int | None, called: str, where: str):
        super().__init__()
        self._inner, self._packed, self._size, self._called, self._where = inner, packed, size, called, where
        self._given = 0

    def readable(self) -> bool:
        """True, as io wants it."""
        return True

    def readinto(self, buffer) -> int:
        """Fill a buffer; 0 at the end."""
        try:
            data = self._inner.read(len(buffer))
        except _DAMAGED as error:
            if isinstance(error, OSError) and error.errno:
                raise
            raise damaged(error, self._called, self._where) from None
        self._given += len(data)
        if self._given > _MOST and self._given > _RATIO * (self._size or self._packed.tell()):
            raise Refusal(
                f"the {self._called} file unpacks to more than {_RATIO} times its size",
                where=self._where,
                rule=f"beyond {_MOST >> 30} GB, at most {_RATIO} times the packed bytes",
                mend="unpack it first, if it is what it should be",
            )
        buffer[: len(data)] = data
        return len(data)


def damaged(error: Exception, called: str, where: str) -> Refusal:
    """Word what a library says of a packed file."""
    said = str(error)
    cut = isinstance(error, EOFError) or "runcated" in said or "ended before" in said
    return Refusal(
        f"the {called} file is cut short" if cut else f"the {called} file is damaged ({said})",
        where=where,
        mend="fetch or make the file again",
    )


def unpacked(raw: Any, name: str, where: str, size: int | None, stack: ExitStack) -> tuple[Any, str]:
    """Open what a file holds, packed or not.

    Args:
        raw: A buffered binary file.
        name: What its source calls it.
        where: What to call it in a refusal.
        size: Its bytes, if they are known.
        stack: Closes what is opened here.

    Returns:
        A buffered binary file and its name, which is that of the member of a zip archive.

    Raises:
        Refusal: It is a damaged archive, or one of several files. On reading: the file is damaged.
    """
    import pyarrow as pa

    head = raw.peek(8)[:8]
    called = next((called for magic, called in _MAGIC if head.startswith(magic)), None)
    if called == "xz":
        inner: Any = stack.enter_context(lzma.LZMAFile(raw))  # noqa: SIM115
    elif called:
        source = stack.enter_context(pa.PythonFile(_Kept(raw), mode="r"))
        inner = stack.enter_context(pa.CompressedInputStream(source, called))
    elif head.startswith(_ZIP):
        raw = seekable(raw, stack)
        member = _only_member(raw, where, stack)
        if member is None:
            raw.seek(0)
            return raw, name
        called, name, inner = "zip", member.name, stack.enter_context(member)
    else:
        return raw, name
    return stack.enter_context(io.BufferedReader(_Unpacked(inner, raw, size, called, where), BUFFER)), name


class _Kept(io.RawIOBase):
    """A file that is not closed when its reader is."""

    def __init__(self, raw: BinaryIO):
        super().__init__()
        self._raw = raw

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._raw.read(size)

    def tell(self) -> int:
        return self._raw.tell()


def _only_member(raw: BinaryIO, where: str, stack: ExitStack) -> Any:
    """Open the one file of an archive; nothing where the archive is a workbook.

    Nothing is written under a member's name, so that it does no harm whatever it is.
    """
    try:
        archive = stack.enter_context(zipfile.ZipFile(raw))
        members = archive.infolist()
        if {one.filename for one in members} & {"[Content_Types].xml", "mimetype"}:
            _refuse_bomb(members, where)
            return None
        files = [one for one in members if not (one.is_dir() or one.filename.startswith("__MACOSX/"))]
        if len(files) != 1:
            raise Refusal(
                f"the zip archive holds {len(files)} files",
                where=where,
                value=", ".join(one.filename for one in files[:10]),
                rule="a zip archive holds one table",
                mend="unpack it, or pack the one file that is meant",
            )
        if files[0].flag_bits & 1:
            raise Refusal("the zip archive is encrypted", where=where, mend="unpack it first")
        return archive.open(files[0])
    except (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError) as error:
        raise damaged(error, "zip", where) from None


def _refuse_bomb(members: list[zipfile.ZipInfo], where: str) -> None:
    """Refuse a workbook that unpacks to more than is plausible: it is held in memory."""
    whole, packed = sum(one.file_size for one in members), sum(one.compress_size for one in members)
    if whole > _MOST or (whole > _MOST >> 4 and whole > _RATIO * packed):
        raise Refusal(
            "the workbook is too large",
            where=where,
            value=f"{whole >> 20} MB unpacked",
            rule=f"at most {_MOST >> 30} GB unpacked, since a workbook is held in memory",
            mend="save it as CSV or parquet",
        )


def seekable(stream: Any, stack: ExitStack) -> Any:
    """Return a file that can be read at any place, which is a copy on the disk where the stream cannot."""
    if stream.seekable():
        return stream
    held = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    shutil.copyfileobj(stream, held, BUFFER)
    held.seek(0)
    return stack.enter_context(io.BufferedReader(held, BUFFER))
