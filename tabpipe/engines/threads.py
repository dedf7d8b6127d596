"""The threads that libraries start when they are loaded: none in the warm process, the usual ones in its children.

A fork copies the calling thread alone. What others hold at that moment, a lock of OpenBLAS's or of jemalloc's, is held
for ever in the child, and libraries that stop their threads before a fork can wait for them in vain. So a process that
forks has one thread.
"""

from __future__ import annotations

import os
import sys

_BLAS = "OPENBLAS_NUM_THREADS"
_QUIET = {_BLAS: "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Variables that libraries read when they are loaded; the second is that of the jemalloc in pyarrow."""
_IN_TURN = (_BLAS, "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
"""Where OpenBLAS looks for how many threads it may start."""


def keep_to_one() -> dict[str, str | None]:
    """Lets libraries that are loaded from now on start no threads; returns what `start_usual` is to restore."""
    before = {name: os.environ.get(name) for name in _QUIET}
    os.environ.update(_QUIET)
    return before


def start_usual(before: dict[str, str | None]) -> None:
    """Lets a child have the threads of a process that was started by itself, and its variables.

    Args:
        before: What `keep_to_one` returned.
    """
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "numpy" in sys.modules:
        from threadpoolctl import ThreadpoolController

        for library in ThreadpoolController().select(internal_api="openblas").lib_controllers:
            library.set_num_threads(_blas_threads())


def _blas_threads() -> int:
    """How many threads OpenBLAS would take by itself."""
    processors = len(os.sched_getaffinity(0))
    wanted = next((int(value) for name in _IN_TURN if (value := os.environ.get(name, "")).isdigit() and int(value)), 0)
    return min(wanted or processors, processors)
