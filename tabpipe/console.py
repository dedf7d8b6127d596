"""What commands print: columns of text, sizes, ages and times; lines, documents, progress and errors."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from components.common.base.errors import Refusal, shorten

if TYPE_CHECKING:
    from components.common.artifacts import Version

_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def columns(head: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> list[str]:
    """Lines of a table with a head, two spaces apart; columns that are empty throughout are left out.

    Args:
        head: Names of the columns.
        rows: Cells.
        right: Columns whose cells stand at the right, such as numbers.
    """
    cells = [[str(cell) for cell in row] for row in rows]
    used = [at for at in range(len(head)) if any(row[at] for row in cells) or not cells]
    lines = [[head[at] for at in used], *([row[at] for at in used] for row in cells)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(used))]
    return [
        "  "
        + "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, cell, width in zip(used, line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def pairs(values: Mapping[str, Any], longest: int = 300) -> list[str]:
    """Names and values, one pair a line.

    Args:
        values: Name to value.
        longest: Characters of a value; longer ones are cut.
    """
    width = max((len(name) for name in values), default=0)
    return [f"  {name.ljust(width)}  {shorten(text(value), longest)}" for name, value in values.items()]


def text(value: Any) -> str:
    """A value of metadata as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def size(count: int) -> str:
    """Bytes, rounded: 512 B, 1.5 KB, 12 MB."""
    number = float(count)
    for unit in ("B", "KB", "MB", "GB"):
        if number < 999.5:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 99.5 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def moment(stamp: str) -> str:
    """A time of the store to the minute, UTC."""
    return stamp[:16].replace("T", " ")


def shape(version: Version) -> str:
    """Rows and columns of a table; the number of files of a folder."""
    rows, width = version.metadata.get("rows"), version.metadata.get("columns")
    if isinstance(rows, int) and isinstance(width, int):
        return f"{rows:,} × {width}"
    return f"{version.files} files" if version.kind == "folder" else ""


def maker(version: Version) -> str:
    """The run and step that made a version."""
    return " ".join(version.made_by[key] for key in ("run", "step") if version.made_by.get(key))


def age(words: str) -> float:
    """Seconds of an age such as 30m, 12h, 7d, 2w or 0.

    Raises:
        Refusal: It is none.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhdw])|(0)", words.strip())
    if not match:
        raise Refusal("not an age", where="--older-than", value=words, mend="for instance 30m, 12h, 7d or 2w")
    return 0.0 if match[3] else float(match[1]) * _AGES[match[2]]


def write(text: str = "", out: TextIO | None = None) -> None:
    """Prints text. Where nobody reads any more (`| head`), the command goes on in silence.

    Args:
        text: A line or several.
        out: Where to; stdout by default.
    """
    out = out or sys.stdout
    try:
        print(text, file=out, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())


def say(lines: Iterable[str]) -> None:
    """Prints lines."""
    write("\n".join(lines))


def document(value: Any) -> int:
    """Prints a JSON document; returns the exit code 0."""
    write(json.dumps(value, indent=1, ensure_ascii=False, default=str))
    return 0


def progress(text: str) -> None:
    """Says on stderr how far something is."""
    print(text, file=sys.stderr, flush=True)


def detail(text: str) -> None:
    """Says on stderr how far a part of something is."""
    progress(f"  {text}")


def error(message: str, more: str = "") -> None:
    """Prints an error on stderr, in red on a terminal.

    Args:
        message: What went wrong.
        more: Lines below it, which are not red.
    """
    progress((f"\x1b[31m{message}\x1b[0m" if sys.stderr.isatty() else message) + more)
