"""Waits until the parts of an install are ready: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any, TextIO

from components.common.base.errors import Refusal, shorten
from tabpipe.cluster.kubectl import Kubectl
from tabpipe.install.parts import Part, last_words, look

EVERY = 2.0
"""Seconds between two looks."""
PATIENCE = 60.0
"""Seconds for which a part may be failing before the wait ends: a pull or a start can succeed the second time."""
_COLOURS = {"ready": "green", "waiting": "cyan", "failing": "red"}


class Board:
    """The parts on the screen.

    Args:
        out: Where to write; live where it is a terminal.
    """

    def __init__(self, out: TextIO):
        self.out = out
        self.parts: list[Part] = []
        self.started = time.monotonic()
        self._said: dict[str, tuple[str, str]] = {}
        self._live: Any = None
        if out.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(get_renderable=self._render, console=Console(file=out), refresh_per_second=4)
            self._live.start()

    def show(self, parts: list[Part]) -> None:
        """Shows how the parts are now."""
        self.parts = parts
        for part in parts:
            said = (part.state, part.note if part.state == "failing" and not part.image else "")
            if self._live is None and said != self._said.get(part.name) and part.state != "waiting":
                print(self._line(part), file=self.out, flush=True)
            self._said[part.name] = said

    def close(self) -> None:
        """Ends the live display."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _line(self, part: Part) -> str:
        seconds = time.monotonic() - self.started
        note = shorten(part.note, 160)
        return f"  {part.name:<42}{part.state:<9}{seconds:6.1f} s  {note}".rstrip()

    def _render(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        lines = []
        for part in self.parts:
            note = shorten(part.note, 160)
            text = f"  {part.name:<42}{part.state:<9} {note}".rstrip()
            lines.append(Text(text, style=_COLOURS[part.state], no_wrap=True, overflow="ellipsis"))
        lines.append(Text(f"  {time.monotonic() - self.started:.0f} s", style="dim"))
        return Group(*lines)


def wait(
    kubectl: Kubectl,
    namespace: str,
    names: list[str],
    out: TextIO,
    timeout: float,
    patience: float = PATIENCE,
    command: str = "make install",
) -> float:
    """Waits until all parts are ready.

    Args:
        kubectl: The cluster.
        namespace: Where they are.
        names: Their names, as `applying.key` gives them.
        out: Where progress goes.
        timeout: Seconds at most.
        patience: Seconds for which a part may be failing.
        command: What a person does again once the fault is mended.

    Returns:
        Seconds that it took.

    Raises:
        Refusal: A part will not become ready, or not in time; each is named with the reason and its last log lines.
    """
    board = Board(out)
    failing: dict[str, float] = {}
    try:
        while True:
            age = time.monotonic() - board.started
            parts = look(kubectl, namespace, names, age)
            board.show(parts)
            if all(part.state == "ready" for part in parts):
                return age
            failing = {part.name: failing.get(part.name, age) for part in parts if part.state == "failing"}
            if age > timeout or any(age - since >= patience for since in failing.values()):
                late = [part for part in parts if part.state != "ready"]
                blamed = [part for part in late if part.state == "failing"] or late
                raise _refusal(kubectl, namespace, blamed, len(late), age, command)
            time.sleep(EVERY)
    finally:
        board.close()


def _refusal(kubectl: Kubectl, namespace: str, parts: list[Part], late: int, age: float, command: str) -> Refusal:
    """Names the parts to blame."""
    lines = []
    for part in parts[:5]:
        lines.append(f"{part.name}: {part.note or 'not ready'}")
        lines += [f"    | {line}" for line in last_words(kubectl, namespace, part).splitlines()]
    images = any(part.image for part in parts)
    return Refusal(
        f"{late} of its parts are not ready after {age:.0f} s\n  " + "\n  ".join(lines),
        where=f"namespace {namespace}",
        mend=f"make images PUSH=1 REGISTRY=… puts our image where the cluster finds it, {command} REGISTRY=… takes it "
        "from there" + ("; --image OLD=NEW names another source of any other" if command == "make install" else "")
        if images
        else f"kubectl describe pod --namespace {namespace} {parts[0].pod or ''}".rstrip(),
    )
