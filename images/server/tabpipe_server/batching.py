"""Small requests to a model that scikit-learn answers, asked together: eight rows take it no longer than one.

Nobody waits for a batch to fill: the first request goes at once, and what has come meanwhile goes as the next batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from components.common.inference import Answered, Predictor

MOST_ROWS = 200
"""Rows of a batch."""


@dataclass(slots=True)
class _Waiting:
    columns: Mapping[str, Sequence[Any]]
    rows: int
    future: asyncio.Future


class Batching:
    """Batches the requests to each model; used on the event loop alone.

    Args:
        pool: Its threads ask the models.
        lanes: So many batches to one model are under way at once.
    """

    def __init__(self, pool: Executor, lanes: int = 1):
        self._pool, self._lanes = pool, lanes
        self._waiting: dict[tuple, list[_Waiting]] = {}
        self._running: dict[tuple, int] = {}

    async def answer(self, predictor: Predictor, columns: Mapping[str, Sequence[Any]], rows: int) -> Answered:
        """Answers rows, together with those of others.

        Raises:
            Refusal: The model refuses them.
        """
        names = tuple(name for name in predictor.columns if name in columns)
        lane = (predictor, names)  # only the like are asked together
        one = _Waiting({name: columns[name] for name in names}, rows, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(lane, []).append(one)
        self._go(lane)
        return await one.future

    def _go(self, lane: tuple) -> None:
        """Starts the next batch if there is one and a lane is free."""
        waiting = [one for one in self._waiting.get(lane, ()) if not one.future.done()]
        if self._running.get(lane, 0) >= self._lanes:
            return
        batch: list[_Waiting] = []
        rows = 0
        while waiting and (not batch or rows + waiting[0].rows <= MOST_ROWS):
            batch.append(waiting.pop(0))
            rows += batch[-1].rows
        if waiting:
            self._waiting[lane] = waiting
        else:
            self._waiting.pop(lane, None)
        if not batch:
            return
        self._running[lane] = self._running.get(lane, 0) + 1
        predictor, names = lane
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._pool, _answered, predictor, names, batch)
        done.add_done_callback(lambda found: self._done(lane, batch, found))

    def _done(self, lane: tuple, batch: list[_Waiting], found: asyncio.Future) -> None:
        self._running[lane] -= 1
        if not self._running[lane]:
            del self._running[lane]
        if found.cancelled():
            return
        for one, answer in zip(batch, found.result(), strict=True):
            if one.future.done():
                continue
            if isinstance(answer, BaseException):
                one.future.set_exception(answer)
            else:
                one.future.set_result(answer)
        self._go(lane)


def _answered(predictor: Predictor, names: Sequence[str], batch: list[_Waiting]) -> list[Answered | BaseException]:
    """The answer to each request of a batch, in a thread."""
    if len(batch) > 1:
        columns = {name: [value for one in batch for value in one.columns[name]] for name in names}
        try:
            whole = predictor.answer(columns, sum(one.rows for one in batch))
            if not whole.unknown:  # they are counted per request
                return list(_parts(whole, [one.rows for one in batch]))
        except Exception:  # one request's fault must not be another's: each is asked alone
            pass
    return [_tried(predictor.answer, one.columns, one.rows) for one in batch]


def _tried(answer: Callable[..., Answered], *arguments: Any) -> Answered | BaseException:
    try:
        return answer(*arguments)
    except Exception as error:
        return error


def _parts(whole: Answered, sizes: list[int]) -> list[Answered]:
    """Cuts a batch's answer into those of its requests."""
    from dataclasses import replace

    from components.common.inference import Answered

    parts, start = [], 0
    for size in sizes:
        end = start + size
        low, high = np.searchsorted(whole.kept, (start, end))
        parts.append(
            Answered(
                kept=whole.kept[low:high] - start,
                predicted=whole.predicted[low:high],
                probabilities=None if whole.probabilities is None else whole.probabilities[low:high],
                faults=[replace(fault, row=fault.row - start) for fault in whole.faults if start <= fault.row < end],
            )
        )
        start = end
    return parts
