"""A server that was just started: waited for, and shown how it is asked."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from typing import Any

from components.common.base.errors import Refusal

PATIENCE = 120.0
"""Seconds that a server has to become ready."""
_LONGEST = 60
"""Characters of a value in an example that is shown."""
_SHOWN = 10_000
"""Characters of a command that is shown."""


def until_ready(url: str, alive: Callable[[], str], patience: float = PATIENCE) -> None:
    """Waits until a server says that it is ready.

    Args:
        url: Its address.
        alive: Gives why it has ended; nothing while it has not.
        patience: Seconds at most.

    Raises:
        Refusal: It has ended, or is not ready in time.
    """
    import requests

    deadline, said = time.monotonic() + patience, "it does not answer"
    with requests.Session() as session:
        session.trust_env = False  # no proxy leads to this machine
        while True:
            if ended := alive():
                raise Refusal(ended, where=url)
            try:
                answer = session.get(f"{url}/readyz", timeout=5)
                if answer.ok:
                    return
                said = answer.text[:300]
            except requests.RequestException:
                pass
            if time.monotonic() > deadline:
                raise Refusal(f"the server is not ready after {patience:.0f} s: {said}", where=f"{url}/readyz")
            time.sleep(0.1)


def example_of(signature: dict[str, Any]) -> str:
    """A request body with one row, made from what a server says of its model."""
    row = {each["name"]: _shown(each["example"]) for each in signature["columns"]}
    return json.dumps({"dataframe_records": [row]}, ensure_ascii=False)


def _shown(value: Any) -> Any:
    return value[:_LONGEST] if isinstance(value, str) else value


def how_to_ask(url: str, key: bool) -> list[str]:
    """Lines that say how a server is asked: a command that works as it stands.

    Args:
        url: Its address.
        key: Whether predictions need the API key.
    """
    import requests

    with requests.Session() as session:
        session.trust_env = False
        signature = session.get(f"{url}/signature", timeout=30).json()
    body = example_of(signature)
    head = '-H "X-API-Key: $TABPIPE_SERVE_API_KEY" ' if key else ""
    command = f"curl {url}/invocations -H 'Content-Type: application/json' {head}-d {shlex.quote(body)}"
    if len(command) > _SHOWN:
        command = f"with {len(signature['columns']):,} columns; the API shows whole commands"
    return [f"  a form    {url}/", f"  the API   {url}/docs", f"  ask it    {command}"]
