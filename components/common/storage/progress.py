"""How far a download is, in words, and not too often."""

from __future__ import annotations

import time
from collections.abc import Callable

from components.common.storage.types import Progress


def in_words(say: Callable[[str], None], pause: float = 1.0) -> Progress:
    """Makes a listener for bytes that says `120 of 480 MB`, at most once per `pause` seconds, and not at the start."""
    last = time.monotonic()

    def heard(done: int, whole: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= pause:
            last = now
            say(f"{done / 1e6:.0f} of {whole / 1e6:.0f} MB" if whole else f"{done / 1e6:.0f} MB")

    return heard
