"""Keeps the served models up to date: a child looks at their sources, a thread loads what it brings and swaps."""

from __future__ import annotations

import logging
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tabpipe_server.cache import Copy, last, place_of
from tabpipe_server.children import Pauses, end, ended, said, started, tell
from tabpipe_server.loading import loaded, unfit
from tabpipe_server.models import ROLES, Models, Served
from tabpipe_server.redaction import redacted

log = logging.getLogger(__name__)

FIRST_ANSWER_SECONDS = 10.0
"""How long a source may take to answer at the start, before its last copy on this machine is served."""
_RETRIES = (5.0, 15.0, 60.0, 300.0)
"""Seconds until a model that does not load is tried again: memory may have been short, a copy be damaged."""


class Watcher:
    """Follows the sources of champion and challenger.

    Args:
        settings: Has model, challenger, name, cache and poll.
        models: What is served; it is changed here alone.
        on_swap: Is told the role and the model that serves in it from now on, None for none; in the watcher's thread.
    """

    def __init__(self, settings: Any, models: Models, on_swap: Callable[[str, Served | None], None] | None = None):
        self._models, self._on_swap = models, on_swap or (lambda role, served: None)
        self._name = settings.name
        self._texts = {"champion": settings.model, "challenger": settings.challenger or ""}
        self._roles = [role for role in ROLES if self._texts[role]]
        self._task: dict[str, Any] = {"models": self._texts, "cache": str(settings.cache), "poll": float(settings.poll)}
        for name in ("look_seconds", "bring_seconds"):
            if hasattr(settings, name):
                self._task[name] = getattr(settings, name)
        self._wanted: dict[str, Copy | None] = {}
        self._loaded: dict[str, Served | None] = {}
        self._broken: dict[str, str] = {}
        self._tries: dict[str, int] = {}
        self._retry: dict[str, float] = {}
        self._cached: set[str] = set()
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    @property
    def pid(self) -> int | None:
        """The child's process id; None where none runs."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Starts the child and the thread."""
        self._thread.start()

    def stop(self, seconds: float = 5.0) -> None:
        """Ends both."""
        self._stopping.set()
        self._inbox.put(None)
        self._thread.join(seconds)

    def _run(self) -> None:
        pauses = Pauses()
        self._first = time.monotonic() + FIRST_ANSWER_SECONDS
        while not self._stopping.is_set():
            try:
                pauses.started()
                code = self._follow()
            except Exception as error:  # an odd machine: no process can be started, no thread
                code, words = None, redacted(error)
            if self._stopping.is_set():
                return
            words = ended(code) if code is not None else words
            log.warning("the process that looks at the models' sources ended (%s); it is started again", words)
            for role in self._roles:
                if not self._models.troubles.get(role):
                    self._trouble(role, f"the process that looks at its source ended ({words})")
            self._stopping.wait(pauses.next())

    def _follow(self) -> int:
        """Starts a child, and does what it says until it ends."""
        process = self._process = started("tabpipe_server.fetcher")
        tell(process, self._task)
        reader = threading.Thread(target=self._hear, args=(process,), name="fetcher's words", daemon=True)
        reader.start()
        try:
            while not self._stopping.is_set():
                heard = self._collect()
                for one in heard:
                    if one is process:
                        return end(process, 1)
                    if isinstance(one, dict):
                        self._obey(one)
                    elif isinstance(one, str):
                        log.info("fetcher: %s", redacted(one))
                self._on_time(process)
            return end(process, 1)
        finally:
            end(process, 0)
            reader.join(1)
            if process.stdout is not None:
                process.stdout.close()

    def _hear(self, process: subprocess.Popen[bytes]) -> None:
        with suppress(ValueError):  # of a pipe that was closed
            for one in said(process):
                self._inbox.put(one)
        self._inbox.put(process)  # It has ended.

    def _collect(self) -> list[Any]:
        """What has come, of each role only the last model: those before are out of date."""
        heard: list[Any] = []
        with suppress(queue.Empty):
            heard.append(self._inbox.get(timeout=0.5))
            while True:
                heard.append(self._inbox.get_nowait())
        told = [one for one in heard if isinstance(one, dict) and one["event"] in ("model", "gone")]
        newest = {one["role"]: one for one in told}
        return [one for one in heard if one not in told or newest[one["role"]] is one]

    def _obey(self, heard: dict[str, Any]) -> None:
        role, event = heard["role"], heard["event"]
        if event == "model":
            copy = Copy(heard["name"], heard["version"], heard["digest"], heard["folder"])
            if self._wanted.get(role) != copy:
                self._tries.pop(role, None)
            self._wanted[role] = copy
            self._load(role, copy)
        elif event == "gone":
            self._gone(role)
        elif event == "looked":
            self._models.seen(role)
            self._settle(role)
        elif event == "problem":
            self._away(role, heard["problem"])

    def _load(self, role: str, copy: Copy) -> None:
        """Loads a copy and lets it answer; whatever is wrong with it, what answers now goes on."""
        present = self._loaded.get(role)
        self._retry.pop(role, None)
        try:
            same = next((one for one in self._loaded.values() if one and one.digest == copy.digest), None)
            predictor = same.predictor if same else loaded(copy)
        except Exception as error:  # a damaged file may raise anything
            tries = self._tries[role] = self._tries.get(role, 0) + 1
            self._retry[role] = time.monotonic() + _RETRIES[min(tries, len(_RETRIES)) - 1]
            self._broken[role] = f"version {copy.version} cannot be loaded: {redacted(error)}"
            self._trouble(role, self._broken[role] + _goes_on(present))
            return
        self._broken.pop(role, None)
        served = Served(predictor, self._name or copy.name, copy.version, role, copy.digest)
        if served != present:
            self._loaded[role] = served
            self._arrange()
        if role in self._wanted:
            self._settle(role)

    def _arrange(self) -> None:
        """Swaps what is loaded in; a challenger only while it can be asked what the champion is asked."""
        champion, challenger = (self._loaded.get(role) for role in ROLES)
        wanted = {"champion": champion, "challenger": challenger}
        if challenger and unfit(champion, challenger):
            wanted["challenger"] = None
        for role, served in wanted.items():
            before = self._models.of(role)
            if served is before:
                continue
            self._models.swap(role, served)
            log.info("%s: %s", role, f"version {served.version} answers from now on" if served else "none any more")
            try:
                self._on_swap(role, served)
            except Exception:
                log.exception("what follows a swap failed")

    def _settle(self, role: str) -> None:
        """The source answers: what remains to be said of the role."""
        served, text = self._loaded.get(role), ""
        if role in self._broken:
            text = self._broken[role] + _goes_on(served)
        elif role == "challenger" and served:
            text = unfit(self._loaded.get("champion"), served)
        elif role == "champion" and self._wanted.get(role) is None:
            text = redacted(f"{self._texts[role]} means no model") + _goes_on(served)
        self._trouble(role, text)

    def _gone(self, role: str) -> None:
        """The alias was taken away. A challenger goes; the last champion stays, for requests must be answered."""
        self._wanted[role] = None
        for noted in (self._retry, self._broken):
            noted.pop(role, None)
        if role == "challenger":
            self._loaded[role] = None
            self._arrange()
        elif self._loaded.get(role) is None:
            self._from_cache(role)

    def _away(self, role: str, problem: str) -> None:
        """The source cannot be asked: what answers goes on; at the start, the last copy of this machine answers."""
        if self._loaded.get(role) is None and role not in self._wanted:
            self._from_cache(role)
        served = self._loaded.get(role)
        if served is None and role == "champion":
            none = self._broken.get(role) or "there is no whole copy of it on this machine either"
            problem = f"{problem}; {none}; it is tried again"
        self._trouble(role, problem + _goes_on(served))

    def _from_cache(self, role: str) -> None:
        if role in self._cached:
            return
        self._cached.add(role)
        copy = last(place_of(self._task["cache"], role, self._texts[role]))
        if copy:
            log.warning("%s: the copy of version %s on this machine is served", role, copy.version)
            self._load(role, copy)

    def _on_time(self, process: subprocess.Popen[bytes]) -> None:
        """What is due although nothing was heard."""
        now = time.monotonic()
        for role, due in list(self._retry.items()):
            if due <= now:
                del self._retry[role]
                tell(process, {"again": role})
        if now > self._first:
            self._first = float("inf")
            for role in self._roles:
                if role not in self._wanted and self._loaded.get(role) is None and not self._models.troubles.get(role):
                    self._away(role, "its source has not answered yet")

    def _trouble(self, role: str, text: str) -> None:
        before = self._models.troubles.get(role, "")
        if self._models.trouble(role, text):
            if text:
                log.warning("%s: %s", role, text)
            elif before:
                log.info("%s: well again", role)


def _goes_on(served: Served | None) -> str:
    return f"; version {served.version} goes on answering" if served else ""
