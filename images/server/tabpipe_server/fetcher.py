"""A child of the server that looks at where models come from, and brings a new version into the cache.

It alone imports MLflow and boto3. Its stdin has one line of JSON, the task; then lines that ask for a copy to be looked
at again; its end ends the process. On stdout it says, a line of JSON each:

    {"event": "model", "role": …, "name": …, "version": …, "digest": …, "folder": …}    a copy is there
    {"event": "gone", "role": …}                                                          the alias means nothing
    {"event": "looked", "role": …}                                                        the source answered
    {"event": "problem", "role": …, "problem": …}                                         it did not
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from components.common.base.errors import Refusal
from components.common.registry.model_source import ModelVersion, Source, source_of
from tabpipe_server.cache import Copy, brought, forget, note, place_of, sweep
from tabpipe_server.children import say
from tabpipe_server.redaction import redacted

LOOK_SECONDS, BRING_SECONDS = 60.0, 900.0
"""How long a look and a download may take. What hangs cannot be ended but with its process."""
LONGEST_PAUSE = 15.0
GAVE_UP = 75
_NOT_NEEDED = ("pandas", "pyarrow", "numpy", "sklearn", "scipy", "matplotlib")
"""What MLflow imports where it is there, and does without where it is not: half of its 4 s and 170 MB."""


class Look:
    """One model that is looked at: what is known of it, and when the next look is due.

    Args:
        role: champion or challenger.
        text: Its source, as configured.
        task: cache, poll, and for tests look_seconds and bring_seconds.
    """

    def __init__(self, role: str, text: str, task: dict[str, Any]):
        self.role, self._text, self._poll = role, text, float(task["poll"])
        self._look_seconds = float(task.get("look_seconds", LOOK_SECONDS))
        self._bring_seconds = float(task.get("bring_seconds", BRING_SECONDS))
        self._place = place_of(task["cache"], role, text)
        self._source: Source | None = None
        self._mark: str | None = None
        self._failures = 0
        self.due = time.monotonic()
        sweep(self._place)

    def again(self) -> None:
        """Forgets what was said: the copy is looked at anew, and said again."""
        self._mark, self.due = None, time.monotonic()

    def look(self) -> None:
        """Looks, brings what is new, and says what there is to say."""
        try:
            self._look()
            self._failures = 0
        except Exception as error:  # whatever MLflow, boto3 and the disk come up with; the next look may do better
            self._failures += 1
            say("problem", role=self.role, problem=_worded(error))
        pause = self._poll * 2 ** min(self._failures, 10)
        self.due = time.monotonic() + min(pause, max(self._poll, LONGEST_PAUSE))

    def _look(self) -> None:
        with self._limited(self._look_seconds, "did not answer"):
            self._source = self._source or source_of(self._text)
            found = self._source.look()
        if found is None:
            if self._mark != "":
                if self.role == "challenger":  # A champion's last copy is better than none.
                    forget(self._place)
                say("gone", role=self.role)
            self._mark = ""
        elif found.mark != self._mark:
            self._bring(self._source, found)
            self._mark = found.mark
        say("looked", role=self.role)

    def _bring(self, source: Source, found: ModelVersion) -> None:
        with self._limited(self._bring_seconds, "did not deliver the model"):
            digest, folder = brought(self._place, found.digest, lambda target: source.bring(found, target))
        copy = Copy(found.name, found.version or digest[:12], digest, str(folder))
        note(self._place, copy)
        say("model", role=self.role, **asdict(copy))

    @contextmanager
    def _limited(self, seconds: float, fault: str) -> Iterator[None]:
        """Ends the process if the block takes too long; the server starts another, and `sweep` cleans up."""

        def give_up() -> None:
            say("problem", role=self.role, problem=redacted(f"{self._text} {fault} within {seconds:g} s"))
            os._exit(GAVE_UP)

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def main() -> None:
    """Reads the task and looks until stdin ends."""
    os.nice(5)  # Answers come first.
    if os.environ.get("MLFLOW_TRACKING_URI", "").startswith("http"):
        sys.modules.update(dict.fromkeys(_NOT_NEEDED))  # type: ignore[arg-type]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.WARNING)  # Of MLflow's and urllib3's tries; what fails is said once, by `say`.
    task = json.loads(sys.stdin.buffer.readline() or b"{}")
    if not task:
        return
    looks = {role: Look(role, text, task) for role, text in task["models"].items() if text}
    wake = threading.Event()
    threading.Thread(target=_listen, args=(looks, wake), daemon=True).start()
    while True:
        for look in looks.values():
            if look.due <= time.monotonic():
                look.look()
        wake.wait(max(0.01, min(look.due for look in looks.values()) - time.monotonic()))
        wake.clear()


def _listen(looks: dict[str, Look], wake: threading.Event) -> None:
    """Hears what is asked for again; ends the process with the server, whatever it is about."""
    for line in sys.stdin.buffer:
        look = looks.get(json.loads(line).get("again"))
        if look:
            look.again()
            wake.set()
    os._exit(0)


def _worded(error: Exception) -> str:
    if isinstance(error, Refusal):
        return redacted(error)
    return redacted(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
