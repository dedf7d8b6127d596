"""kubectl, on one context: called as a program, since it brings kustomize and server-side apply with it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.client import no_answer, no_cluster

OLDEST = (1, 31)
"""The oldest kubectl that is accepted: earlier ones' kustomize takes one patch per file."""
PATIENCE = 300
"""Seconds that one command may take."""
_AWAY = (
    "connection refused",
    "was refused",
    "Unable to connect",
    "no such host",
    "i/o timeout",
    "context deadline exceeded",
    "TLS handshake timeout",
    "network is unreachable",
)


class Failed(Exception):
    """kubectl ended with an error.

    Args:
        said: What it printed on stderr.
    """

    def __init__(self, said: str):
        self.said = said
        super().__init__(said)


@dataclass(frozen=True)
class Kubectl:
    """kubectl on a context.

    Args:
        context: The context's name.
        server: The address of the cluster's API.
    """

    context: str
    server: str = ""

    def __call__(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE) -> str:
        """Runs a command; returns what it printed.

        Raises:
            Failed: It ended with an error that is not the cluster's silence.
            Refusal: The cluster does not answer.
        """
        return run("--context", self.context, *arguments, stdin=stdin, timeout=timeout, where=f"context {self.context}")

    def json(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE) -> Any:
        """Runs a command that prints JSON; None where it prints nothing."""
        printed = self(*arguments, "-o", "json", stdin=stdin, timeout=timeout)
        return json.loads(printed) if printed.strip() else None

    def items(self, *arguments: str, stdin: str | None = None, timeout: float = PATIENCE) -> list[dict[str, Any]]:
        """Runs a command that prints objects as JSON, one, a list, or one after the other."""
        printed = self(*arguments, "-o", "json", stdin=stdin, timeout=timeout).strip()
        found: list[dict[str, Any]] = []
        decoder = json.JSONDecoder()
        while printed:
            thing, end = decoder.raw_decode(printed)
            found += thing["items"] if thing.get("kind", "").endswith("List") else [thing]
            printed = printed[end:].strip()
        return found


def run(
    *arguments: str, stdin: str | None = None, timeout: float = PATIENCE, where: str = "", asks: bool = True
) -> str:
    """Runs kubectl, on no context in particular.

    Args:
        arguments: The command.
        stdin: What it reads.
        timeout: Seconds that it may take.
        where: Where a refusal says that it failed.
        asks: Whether it asks a cluster.

    Raises:
        Failed: It ended with an error that is not the cluster's silence.
        Refusal: There is no kubectl, or the cluster does not answer.
    """
    try:
        done = subprocess.run(
            ["kubectl", *arguments], input=stdin or "", capture_output=True, text=True, timeout=timeout
        )
    except FileNotFoundError:
        raise lacking() from None
    except subprocess.TimeoutExpired:
        raise Refusal(f"kubectl {arguments[0]} has not ended within {timeout:.0f} s", where=where) from None
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip()
        if asks and any(word in said for word in _AWAY):
            raise no_answer(last_line(said), where)
        raise Failed(said)
    return done.stdout


def lacking() -> Refusal:
    """What is said where there is no kubectl."""
    return Refusal(
        "there is no kubectl on this machine",
        where="PATH",
        rule=f"kubectl {'.'.join(map(str, OLDEST))} or newer",
        mend="https://kubernetes.io/docs/tasks/tools/ says how to get it",
    )


def check_version() -> None:
    """Checks that there is a kubectl, and that it is new enough.

    Raises:
        Refusal: There is none, or an old one.
    """
    if not shutil.which("kubectl"):
        raise lacking()
    version = json.loads(run("version", "--client", "-o", "json"))["clientVersion"]
    number = (int(version["major"]), int(re.findall(r"^\d+", version["minor"])[0]))
    if number < OLDEST:
        raise Refusal(
            "kubectl is too old",
            where=str(shutil.which("kubectl")),
            value=version["gitVersion"],
            rule=f"{'.'.join(map(str, OLDEST))} or newer",
            mend="https://kubernetes.io/docs/tasks/tools/ says how to get it",
        )


def current(context: str = "") -> Kubectl:
    """Finds a context.

    Args:
        context: Its name; the current one where it is empty.

    Raises:
        Refusal: No kubeconfig, or no such context in it.
    """
    try:
        config = json.loads(
            run("config", "view", "--minify", "-o", "json", *(["--context", context] if context else []))
        )
        entry = config["contexts"][0]
    except (Failed, KeyError, IndexError, TypeError) as error:
        reason = last_line(error.said) if isinstance(error, Failed) else "it has no current context"
        raise no_cluster(reason.removeprefix("error: ")) from None
    return Kubectl(entry["name"], config["clusters"][0]["cluster"].get("server", ""))


def last_line(said: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")


def as_list(objects: Iterable[dict[str, Any]]) -> str:
    """Objects as one document, for kubectl's stdin."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
