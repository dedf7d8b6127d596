"""The bytes of a text table as UTF-8: decoded, checked, without a byte order mark, and with a line end at their end."""

from __future__ import annotations

import codecs
import io

from components.common.base.errors import Refusal
from components.common.tables.unpack import BUFFER

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class TextBytes(io.RawIOBase):
    """A binary stream of valid UTF-8 that ends with a line end. A byte order mark goes before the declared encoding.

    Args:
        stream: A buffered binary file.
        where: What to call it in a refusal.
        encoding: The encoding of its text; by default what a byte order mark says, else UTF-8.

    Raises:
        Refusal: The encoding is unknown. On reading: the bytes do not fit it.
    """

    def __init__(self, stream: io.BufferedReader, where: str, encoding: str | None = None):
        super().__init__()
        head = stream.peek(4)
        marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
        self._stream, self._where, self._codec = stream, where, marked or _codec(encoding or "utf-8", where)
        self._decoder = codecs.getincrementaldecoder(self._codec)()
        self._held, self._last, self._bytes, self._lines = memoryview(b""), b"\n", 0, 0
        self._ended = False

    def readable(self) -> bool:
        """True, as io wants it."""
        return True

    def readinto(self, buffer) -> int:
        """Fill a buffer wholly, unless the end comes before; 0 at the end."""
        filled = 0
        while filled < len(buffer) and (self._held or not self._ended):
            if not self._held:
                self._held = memoryview(self._next())
            count = min(len(buffer) - filled, len(self._held))
            buffer[filled : filled + count] = self._held[:count]
            self._held, filled = self._held[count:], filled + count
        return filled

    def _next(self) -> bytes:
        raw = self._stream.read(BUFFER)
        first = not self._bytes
        text = self._decode(raw)
        data = raw if self._codec == "utf-8" else text.encode()
        self._bytes, self._ended = self._bytes + len(raw), not raw
        data = data.removeprefix(codecs.BOM_UTF8) if first else data
        if self._ended and self._last not in (b"\n", b"\r"):
            data += b"\n"
        self._last = data[-1:] or self._last
        self._lines += data.count(b"\n")
        return data

    def _decode(self, raw: bytes) -> str:
        try:
            return self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            data = error.object
            offset = self._bytes + len(raw) - len(data) + error.start
            line = self._lines + data[: error.start].count(b"\n") + 1
            raise Refusal(
                f"the text is not {self._codec.upper()} at byte {offset} (line {line})",
                where=self._where,
                value=bytes(data[max(0, error.start - 20) : error.start + 20]).__repr__()[1:],
                rule=f"download.encoding is {self._codec}",
                mend="set download.encoding (--encoding) to what it was written in, for instance cp1252 or latin-1",
            ) from None


def _codec(encoding: str, where: str) -> str:
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # Some codecs are none of text.
    except LookupError:
        raise Refusal(
            "the encoding is not known",
            where=where,
            value=encoding,
            rule="download.encoding (--encoding)",
            mend="for instance utf-8, utf-16, cp1252, latin-1",
        ) from None
    return "utf-8" if name == "utf-8-sig" else name
