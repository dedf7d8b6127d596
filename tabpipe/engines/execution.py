"""One local run, as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tabpipe.engines.fork_client import Warm

Outputs = dict[str, Any]


@dataclass
class Execution:
    """One local run: what it may take from the cache, and what became of its steps."""

    root: Path
    """Folder for outputs and the cache."""
    log: Callable[[str], Path]
    """A step's log file."""
    spool: Path
    """Folder for tracking records."""
    warm: Callable[[], Warm | None]
    """The warm process, started when first asked for; None to run each step in a new Python."""
    env: dict[str, str] = field(default_factory=dict)
    """Variables for all steps."""
    docker: Any = None
    """The runner of containers, where steps run in such."""
    packages: tuple[str, ...] = ()
    """Distributions that the estimator of the config comes in; empty of scikit-learn's."""
    forced: frozenset[str] = frozenset()
    """Steps that run whether cached or not."""
    frozen: dict[str, str] = field(default_factory=dict)
    """Steps that do not run; to the cache key of the outputs that stand for theirs."""
    on_start: Callable[[str], None] = lambda step: None
    """Called when a step's turn has come."""
    on_launched: Callable[[str], None] = lambda step: None
    """Called when a step's process is under way."""
    on_end: Callable[[str, str, Outputs, bool], None] = lambda step, key, outputs, cached: None
    """Called with step, cache key, outputs, and whether they came from the cache."""
    on_fail: Callable[[str, int, Path | None], None] = lambda step, code, folder: None
    """Called with step, exit code and the folder of its outputs."""
