"""A Service of the cluster reached from this machine, by `kubectl port-forward`."""

from __future__ import annotations

import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from components.common.base.errors import Refusal
from tabpipe.cluster.client import NAMESPACE, Cluster
from tabpipe.cluster.kubectl import Kubectl, lacking


@contextmanager
def forwarded(
    cluster: Cluster | Kubectl, service: str, port: int, called: str, namespace: str = NAMESPACE
) -> Iterator[str]:
    """Opens a way to a Service's port, at a free port of this machine that nobody else reaches.

    Args:
        cluster: Where it is.
        service: Its name; or a kind with a name, as `deployment/serve-iris-predictor`, for what has none.
        port: The port that it listens on.
        called: What messages call it.
        namespace: Where the Service is.

    Yields:
        Its URL on this machine.

    Raises:
        Refusal: There is no such Service, nothing answers behind it, or it may not be reached.
    """
    command = ["kubectl", "--context", cluster.context, "port-forward", "--address", "127.0.0.1"]
    to = service if "/" in service else f"service/{service}"
    command += ["--namespace", namespace, to, f":{port}"]
    with tempfile.TemporaryFile("w+") as errors:
        try:
            forward = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        except FileNotFoundError:
            raise lacking() from None
        printed = cast(IO[str], forward.stdout)
        try:
            said = re.search(r"127\.0\.0\.1:(\d+)", printed.readline())
            if said is None:
                forward.wait()
                errors.seek(0)
                raise Refusal(
                    f"{called} cannot be reached: {errors.read().strip()}",
                    where=f"context {cluster.context}",
                    mend="`make install` says whether it is ready",
                )
            # It prints a line per connection; a pipe that nobody reads would stop it after some thousand.
            reading = threading.Thread(target=_read_away, args=(printed,), daemon=True)
            reading.start()
            try:
                yield f"http://127.0.0.1:{said[1]}"
            finally:
                forward.terminate()
                reading.join()
        finally:
            forward.terminate()
            forward.wait()
            printed.close()


def _read_away(stream: IO[str]) -> None:
    for _ in stream:
        pass
