"""What the screen says of a step's end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.common.tracking.step import REFUSED
from tabpipe.runs.screen import shorter
from tabpipe.steps import by_task


def note(step: str, outputs: dict[str, Any]) -> str:
    """A few words on what a step did, by the notes in its step.toml; none where there is nothing to say.

    Args:
        step: Its name.
        outputs: Its outputs, as kfp.local gives them.
    """
    values: dict[str, Any] = {}
    for name, output in outputs.items():
        values |= dict(output.metadata) if hasattr(output, "metadata") else {name: output}
    for name, text in (by_task()[step].notes if step in by_task() else {}).items():
        if values.get(name):
            text = text if isinstance(text, str) else text[values[name] > 1]
            return text.format_map(values)
    return ""


def failure(step: str, code: int, log: Path) -> str:
    """A failed step's own message; what is known of it where it left none.

    Args:
        step: Its name.
        code: Its exit code; negative: the signal that ended it.
        log: Its log.
    """
    lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
    for line in reversed(lines):
        if line.startswith(REFUSED):
            return json.loads(line[len(REFUSED) :])["message"]
    if code < 0:
        return (
            f"{step} was ended by signal {-code}\n  mend:  if memory ran out, use a smaller table or a larger machine"
        )
    last = next((line for line in reversed(lines) if line.strip()), "no message")
    return f"{step} failed unexpectedly: {last}\n  mend:  its log {shorter(log)} has the stack trace"
