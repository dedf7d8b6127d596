"""The bytes of a text table as UTF-8: decompressed, decoded, checked, without a byte order mark."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from components.common.base.errors import Refusal
from components.common.sources import Progress

CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class TextStream(io.RawIOBase):
    """A binary stream of valid UTF-8 that ends with a line end.

    Args:
        path: The file, gzipped or not.
        where: What to call it in a refusal.
        encoding: The encoding of its text.
        progress: Is told how many of the file's bytes are read.

    Raises:
        Refusal: The encoding is unknown. On reading: the bytes do not fit it, or the gzip file is damaged.
    """

    def __init__(self, path: Path, where: str, encoding: str = "utf-8", progress: Progress | None = None):
        super().__init__()
        import pyarrow as pa

        self._where, self._progress, self._size = where, progress, path.stat().st_size
        self._codec = _codec(encoding, where)
        self._decoder = codecs.getincrementaldecoder(self._codec)()
        self._file = pa.OSFile(str(path))
        self._raw = pa.CompressedInputStream(self._file, "gzip") if is_gzip(path) else self._file
        self._ready, self._given, self._ended = memoryview(b""), b"\n", False
        self._bytes, self._lines = 0, 0

    def readable(self) -> bool:
        """True, as io wants it."""
        return True

    def readinto(self, buffer) -> int:
        """Fills a buffer, wholly unless the end comes before; 0 at the end."""
        filled = 0
        while filled < len(buffer) and self.peek():
            count = min(len(buffer) - filled, len(self._ready))
            buffer[filled : filled + count] = self._ready[:count]
            self.skip(count)
            filled += count
        return filled

    def peek(self) -> memoryview:
        """The bytes that come next, about 1 MiB of them, left where they are; none at the end."""
        while not self._ready and not self._ended:
            self._ready = memoryview(self._next())
        return self._ready

    def skip(self, count: int) -> None:
        """Passes over bytes that `peek` showed."""
        self._ready = self._ready[count:]

    def close(self) -> None:
        """Closes the file."""
        if not self.closed:
            self._raw.close()
            self._file.close()
        super().close()

    def _next(self) -> bytes:
        try:
            raw = self._raw.read(CHUNK)
        except OSError as error:
            if error.errno:
                raise
            cut = "Truncated" in str(error)
            raise Refusal(
                "the gzip file is cut short" if cut else f"the gzip file is damaged ({error})",
                where=self._where,
                mend="fetch or make the file again",
            ) from None
        first = not self._bytes
        text = self._decode(raw)
        self._bytes += len(raw)
        if self._progress:
            self._progress(self._file.tell(), self._size)
        if self._codec == "utf-8":
            chunk = raw.removeprefix(codecs.BOM_UTF8) if first else raw
        else:
            chunk = text.removeprefix("\ufeff").encode() if first else text.encode()
        self._ended = not raw
        if self._ended and not self._given.endswith((b"\n", b"\r")):
            chunk += b"\n"
        self._given = chunk[-1:] or self._given
        self._lines += chunk.count(b"\n")
        return chunk

    def _decode(self, raw: bytes) -> str:
        try:
            return self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            data = error.object
            offset = self._bytes + len(raw) - len(data) + error.start
            line = self._lines + data[: error.start].count(b"\n") + 1
            sixteen = self._bytes == 0 and raw.startswith(_UTF16)
            raise Refusal(
                f"the text is not {self._codec.upper()} at byte {offset} (line {line})",
                where=self._where,
                value=bytes(data[max(0, error.start - 20) : error.start + 20]).__repr__()[1:],
                rule=f"download.encoding is {self._codec}",
                mend="set download.encoding to what it was written in, "
                + ("utf-16 by its first bytes" if sixteen else "for instance cp1252 or latin-1"),
            ) from None


def is_gzip(path: Path) -> bool:
    """Whether a file's first bytes are gzip's."""
    with open(path, "rb") as file:
        return file.read(2) == _GZIP


def _codec(encoding: str, where: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # Some codecs are none of text.
    except LookupError:
        raise Refusal(
            "the encoding is not known",
            where=where,
            value=encoding,
            rule="download.encoding",
            mend="for instance utf-8, utf-16, cp1252, latin-1",
        ) from None
    return "utf-8" if name == "utf-8-sig" else name
