"""Asking a model: small requests at once, large ones in parts that threads share."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tabpipe_server.batching import Batching
from tabpipe_server.errors import Unanswered

if TYPE_CHECKING:
    from components.common.inference import Answered, Predictor

AT_ONCE = 200
"""Up to so many rows a compiled model answers faster than a thread takes over."""
PART = 500
"""Rows of a part: few enough that requests take turns, enough that the turns cost nothing."""


Found = TypeVar("Found")


class Answering:
    """Asks models, within a time limit.

    Args:
        timeout: Seconds in which a request must be answered.
    """

    def __init__(self, timeout: float):
        self.timeout = timeout
        self.threads = max(2, os.cpu_count() or 2)
        self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="answering")
        self._batching = Batching(self._pool)
        self._turns = asyncio.Semaphore(self.threads - 1)  # one thread is left for the small ones
        self.busy = 0
        """Requests that wait for the threads, or are in them."""

    async def answer(
        self,
        predictor: Predictor,
        columns: Mapping[str, Sequence[Any]],
        rows: int,
        large: bool = False,
    ) -> Answered:
        """Answers rows.

        Args:
            predictor: The model.
            columns: The rows' values.
            rows: How many rows there are.
            large: Whether they are many bytes, though they may be few rows: the event loop must not wait for them.

        Raises:
            Unanswered: It took too long: 503.
            Refusal: A column that the model needs is absent.
        """
        if rows <= AT_ONCE and predictor.path == "compiled" and not large:
            return predictor.answer(columns, rows)
        cancelled: list[bool] = []
        loop = asyncio.get_running_loop()
        size = rows if predictor.path == "scikit-learn" else PART

        def part(start: int) -> Answered | None:
            if cancelled:
                return None
            if size >= rows:
                return predictor.answer(columns, rows)
            stop = min(start + size, rows)
            cut = {name: values[start:stop] for name, values in columns.items()}
            return predictor.answer(cut, stop - start)

        starts = range(0, rows, size)
        self.busy += 1
        try:
            if rows <= AT_ONCE and not large:
                return await asyncio.wait_for(self._batching.answer(predictor, columns, rows), self.timeout)
            waiting = [loop.run_in_executor(self._pool, part, start) for start in starts]
            found = await asyncio.wait_for(asyncio.gather(*waiting), self.timeout)
            parts = [one for one in found if one is not None]  # all of them: nothing is cancelled yet
        except TimeoutError:
            raise self._late() from None
        finally:
            cancelled.append(True)
            self.busy -= 1
        return parts[0] if len(parts) == 1 else _merged(parts, starts)

    async def take_turn(self) -> None:
        """Waits until a large request may be read and answered: what a few of them hold fits in the memory.

        Raises:
            Unanswered: It took too long: 503.
        """
        try:
            await asyncio.wait_for(self._turns.acquire(), self.timeout)
        except TimeoutError:
            raise self._late() from None

    def end_turn(self) -> None:
        """Lets the next large request come."""
        self._turns.release()

    async def aside(self, task: Callable[..., Found], *arguments: Any) -> Found:
        """Does in a thread what would keep the event loop.

        Raises:
            Unanswered: It took too long: 503.
        """
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._pool, task, *arguments), self.timeout)
        except TimeoutError:
            raise self._late() from None

    def _late(self) -> Unanswered:
        return Unanswered(
            503,
            "TIMEOUT",
            "the answer took too long",
            rule=f"{self.timeout:g} seconds",
            mend="send fewer rows at once, or try later",
            headers=((b"retry-after", b"1"),),
        )

    def later(self, task: Any, *arguments: Any) -> None:
        """Runs something in the threads, after what is there already."""
        self._pool.submit(task, *arguments)

    def stop(self) -> None:
        """Ends the threads after what they are at."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _merged(parts: list[Answered], starts: Sequence[int]) -> Answered:
    """The answers to all parts as the answer to the whole."""
    from dataclasses import replace

    from components.common.inference import Answered

    unknown: dict[str, int] = {}
    for part in parts:
        for column, count in part.unknown.items():
            unknown[column] = unknown.get(column, 0) + count
    pairs = list(zip(parts, starts, strict=True))
    whole = parts[0].probabilities is not None
    return Answered(
        kept=np.concatenate([part.kept + start for part, start in pairs]),
        predicted=np.concatenate([part.predicted for part in parts]),
        probabilities=np.concatenate([part.probabilities for part in parts]) if whole else None,
        faults=[replace(fault, row=fault.row + start) for part, start in pairs for fault in part.faults],
        unknown=unknown,
    )
