"""What a run looks like on the screen: live steps on a terminal, plain lines elsewhere, one table at the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from components.common.base.numbers import score, signed
from components.common.config.promote import BASELINE
from components.common.tracking.step import PROGRESS
from tabpipe.console import write

_TAIL = 4096
_LEAST_WIDTH = 12
"""Characters that names of steps take at least, a gap included."""


@dataclass
class StepState:
    """One step of a run, as the screen and the summary show it."""

    name: str
    state: str = "waiting"
    """waiting, running, succeeded, failed, interrupted or skipped."""
    seconds: float = 0.0
    cached: bool = False
    started: float = 0.0
    """Seconds since the epoch."""
    key: str = ""
    """Its cache key."""
    note: str = ""
    """A few words about its result."""

    def line(self, width: int) -> str:
        """The step as a line of text.

        Args:
            width: Characters that names take, a gap included.
        """
        took = (
            f"{self.seconds:7.2f} s" if self.state in ("succeeded", "failed", "interrupted") and not self.cached else ""
        )
        state = {"succeeded": "cached" if self.cached else "done"}.get(self.state, self.state)
        return f"  {self.name:<{width}}{state:<10}{took:<11}{self.note}".rstrip()


class Screen:
    """Shows a run's steps while they go.

    Args:
        out: Where to write; live where it is a terminal.
        log: A step's log, whose latest progress line is shown.
    """

    def __init__(self, out: TextIO, log: Callable[[str], Path]):
        self.out, self.log = out, log
        self.steps: dict[str, StepState] = {}
        self._width = _LEAST_WIDTH
        self._live: Any = None

    def open(self, names: Iterable[str]) -> None:
        """Shows the steps, all waiting."""
        self.steps = {name: StepState(name) for name in names}
        self._width = max([_LEAST_WIDTH, *(len(name) + 2 for name in self.steps)])
        if self.out.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                get_renderable=self._render,
                console=Console(file=self.out),
                refresh_per_second=10,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()

    def started(self, name: str) -> None:
        """A step's turn has come."""
        step = self.steps[name]
        if step.state == "waiting":
            step.state, step.started = "running", time.time()

    def ended(self, name: str, state: str, *, key: str = "", cached: bool = False, note: str = "") -> None:
        """A step has ended."""
        step = self.steps[name]
        step.seconds = 0.0 if cached else round(time.time() - step.started, 3)
        step.state, step.cached, step.key, step.note = state, cached, key, note
        if self._live is None:
            self.say(step.line(self._width))

    def close(self) -> None:
        """Ends the live display; steps that did not run become skipped."""
        for step in self.steps.values():
            if step.state == "waiting":
                step.state = "skipped"
        if self._live is not None:
            self._live.stop()
            self._live = None

    def say(self, text: str = "") -> None:
        """Prints a line."""
        write(text, self.out)

    def _render(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        colours = {
            "running": "cyan",
            "succeeded": "green",
            "failed": "red",
            "interrupted": "red",
            "waiting": "dim",
            "skipped": "dim",
        }
        lines = []
        for step in self.steps.values():
            if step.state == "running":
                step.seconds = time.time() - step.started
                name = f"  {step.name:<{self._width}}"
                text = f"{name}{'running':<10}{step.seconds:7.1f} s  {last_progress(self.log(step.name))}"
            else:
                text = step.line(self._width)
            colour = "dim" if step.cached else colours[step.state]
            lines.append(Text(text, style=colour, no_wrap=True, overflow="ellipsis"))
        return Group(*lines)


def last_progress(log: Path) -> str:
    """The latest progress line in the tail of a step's log; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line[len(PROGRESS) :] for line in reversed(lines) if line.startswith(PROGRESS)), "")


def metrics_table(
    metrics: dict[str, dict[str, float]], previous: dict[str, Any] | None, checksum: str = ""
) -> list[str]:
    """The metrics of a run beside those of guessing and of the previous run.

    Args:
        metrics: `validation` and `test`, each metric to value; of guessing, `baseline_NAME`.
        previous: The summary of the previous run, or None.
        checksum: What this run's data are known by.

    Returns:
        Lines of text; none where there are no metrics.
    """
    named = dict.fromkeys(name for split in metrics.values() for name in split)
    names = [name for name in named if not name.startswith(BASELINE)]
    if not names:
        return []
    before = (previous or {}).get("metrics", {}).get("test", {})
    other = bool(before) and (previous or {}).get("checksum") != checksum
    test = metrics.get("test", {})
    guessed = {name: test[f"{BASELINE}{name}"] for name in names if f"{BASELINE}{name}" in test}
    head = f"  {'':<16}{'validation':>12}{'test':>12}" + (f"{'guessing':>12}" if guessed else "")
    lines = [head + (f"{'previous':>12}{'change':>12}" if before else "")]
    for name in names:
        line = f"  {name:<16}" + "".join(_cell(metrics.get(split, {}).get(name)) for split in ("validation", "test"))
        line += _cell(guessed.get(name)) if guessed else ""
        now, old = test.get(name), before.get(name)
        if before:
            line += _cell(old) + (f"{signed(now - old):>12}" if None not in (now, old) else f"{'':>12}")
        lines.append(line)
    if other:
        lines.append("  The previous run was of other data.")
    return lines


def _cell(value: float | None) -> str:
    return f"{score(value):>12}"


def shorter(path: Path | str) -> str:
    """A path relative to the current folder where that is below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return str(path)
