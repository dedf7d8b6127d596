"""The threads that libraries start when they are loaded: none in the warm process, the usual ones in its children.

A fork copies the calling thread alone. What others hold at that moment, a lock of OpenBLAS's or of jemalloc's, is held
for ever in the child, and libraries that stop their threads before a fork can wait for them in vain. So a process that
forks has one thread.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from tabpipe.environment import environment

_BLAS = "OPENBLAS_NUM_THREADS"
_QUIET = {_BLAS: "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Variables that libraries read when they are loaded; the second is that of the jemalloc in pyarrow."""
_IN_TURN = (_BLAS, "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
"""Where OpenBLAS looks for how many threads it may start."""
_kept = ExitStack()
"""Gives those variables back what they held."""


def keep_to_one() -> None:
    """Lets libraries that are loaded from now on start no threads."""
    _kept.enter_context(environment(_QUIET))


def found() -> list[Any]:
    """The controllers of the OpenBLAS libraries that are loaded. The first look takes 20 ms, a further one 5."""
    if "numpy" not in sys.modules:
        return []
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(internal_api="openblas").lib_controllers


def start_usual(libraries: Iterable[Any]) -> None:
    """Lets a child have the threads of a process that was started by itself, and its variables.

    Args:
        libraries: What its parent has `found`, which keeps what it has looked up.
    """
    _kept.close()
    number = _blas_threads()
    for library in libraries:
        library.set_num_threads(number)


def _blas_threads() -> int:
    """How many threads OpenBLAS would take by itself."""
    processors = len(os.sched_getaffinity(0))
    wanted = next((int(value) for name in _IN_TURN if (value := os.environ.get(name, "")).isdigit() and int(value)), 0)
    return min(wanted or processors, processors)
