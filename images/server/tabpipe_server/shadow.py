"""What follows an answer: its log entry, and the challenger's answer to the same rows in the shadow."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.common.inference import Answered
    from tabpipe_server.choosing import Chosen
    from tabpipe_server.executor import Answering
    from tabpipe_server.invocations import Sent
    from tabpipe_server.metrics import Metrics
    from tabpipe_server.models import Models, Served
    from tabpipe_server.settings import Settings

log = logging.getLogger(__name__)
_PENDING = 16
"""So many requests at most wait for the challenger in the shadow; more are not shown to it."""


class Afterwards:
    """Called after each answer; never keeps anyone waiting.

    Args:
        settings: Whether the challenger is asked in the shadow, and which column is the id.
        models: Where the challenger is.
        answering: Whose threads ask it.
        metrics: Counts.
        logbook: Takes the entries; None for no log.
    """

    def __init__(self, settings: Settings, models: Models, answering: Answering, metrics: Metrics, logbook: Any | None):
        self._models, self._answering, self._metrics, self._logbook = models, answering, metrics, logbook
        self._shadow, self._id_column = settings.shadow, settings.id_column
        self._pending, self._lock = 0, threading.Lock()
        if logbook is not None:
            from tabpipe_server.logentry import Entry

            self._entry = Entry

    def __call__(
        self,
        request_id: str,
        key: str,
        chosen: Chosen,
        columns: dict[str, list],
        rows: int,
        answered: Answered,
        sent: Sent,
        seconds: float,
    ) -> None:
        """Notes an answer, and has the challenger asked too."""
        shadowed = self._models.challenger if self._shadow else None
        if self._logbook is None and shadowed is None:
            return
        common: dict[str, Any] = {
            "time": time.time() - seconds,
            "request_id": request_id,
            "key": key,
            "columns": columns,
            "rows": rows,
            "ids": columns.get(self._id_column) if self._id_column else None,
            "texts": sent.texts,
            "size": sent.size,
        }
        if self._logbook is not None:
            entry = self._entry(served=chosen.served, answered=answered, latency=seconds, shadow=False, **common)
            self._logbook.note(entry)
        if shadowed is not None and chosen.served is not shadowed:
            if self._pending >= _PENDING or self._answering.busy >= self._answering.threads:
                self._metrics.shadowed.labels("skipped").inc()
                return
            with self._lock:
                self._pending += 1
            self._answering.later(self._ask, shadowed, common)

    def _ask(self, challenger: Served, common: dict[str, Any]) -> None:
        """Asks the challenger, in a thread."""
        try:
            started = time.perf_counter()
            answered = challenger.predictor.answer(common["columns"], common["rows"])
            seconds = time.perf_counter() - started
            self._metrics.shadowed.labels("refused" if answered.faults else "answered").inc()
            if self._logbook is not None:
                entry = self._entry(served=challenger, answered=answered, latency=seconds, shadow=True, **common)
                self._logbook.note(entry)
        except Exception as error:  # nobody waits for it, and the champion has answered
            self._metrics.shadowed.labels("failed").inc()
            log.warning("the challenger could not answer request %s in the shadow: %s", common["request_id"], error)
        finally:
            with self._lock:
                self._pending -= 1
