"""What differs between two folders, and between two small texts."""

from __future__ import annotations

import difflib
import tempfile
from pathlib import Path
from typing import Any

from components.common.artifacts import Store, Version

_LARGEST_TEXT = 200_000
_MOST_LINES = 60
_MOST_TEXTS = 10


def difference_of_files(store: Store, a: Version, b: Version) -> dict[str, Any]:
    """Files that were added, removed and changed between two folders; of small texts also how.

    Returns:
        `added`, `removed`: path to bytes. `changed`: path to both sizes. `text`: path to lines of a unified diff.
    """
    left, right = store.files(a), store.files(b)
    changed = {path: [left[path][1], right[path][1]] for path in left if path in right and left[path] != right[path]}
    texts: dict[str, list[str]] = {}
    small = [path for path, sizes in changed.items() if max(sizes) <= _LARGEST_TEXT]
    with tempfile.TemporaryDirectory() as scratch:
        for path in small:
            if len(texts) == _MOST_TEXTS:
                break
            both = []
            for one, files in ((a, left), (b, right)):
                target = Path(scratch) / f"v{one.number}"
                store.get_file(one, files[path][0], target)
                both.append(target)
            if lines := difference_of_text(both[0], both[1], f"{a.ref}/{path}", f"{b.ref}/{path}")["lines"]:
                texts[path] = lines
    return {
        "added": {path: right[path][1] for path in right if path not in left},
        "removed": {path: left[path][1] for path in left if path not in right},
        "changed": changed,
        "text": texts,
    }


def difference_of_text(left: Path, right: Path, first: str, second: str) -> dict[str, Any]:
    """Sizes of two files and, where both are small texts, a short unified diff.

    Returns:
        `bytes`: both sizes; `lines`: of the diff, none where it would be long or is of no text; `more`: how many lines
        were left out.
    """
    sizes = [left.stat().st_size, right.stat().st_size]
    found: dict[str, Any] = {"bytes": sizes, "lines": [], "more": 0}
    if max(sizes) > _LARGEST_TEXT:
        return found
    try:
        texts = [path.read_bytes().decode("utf-8") for path in (left, right)]
    except UnicodeDecodeError:
        return found
    if any("\0" in text for text in texts):
        return found
    old, new = (text.splitlines() for text in texts)
    if max(len(line) for lines in (old, new) for line in [*lines, ""]) > 2000:
        return found  # One endless line of JSON or HTML says nothing to a reader.
    lines = list(difflib.unified_diff(old, new, first, second, lineterm="", n=1))
    return {**found, "lines": lines[:_MOST_LINES], "more": max(0, len(lines) - _MOST_LINES)}
