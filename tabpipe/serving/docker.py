"""`tabpipe serve --on docker`: the serving image on this machine, with the least that it may do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from components.common.base.errors import Refusal
from tabpipe.environment import PROXIES
from tabpipe.serving.local import refuse_taken, tell
from tabpipe.serving.server_settings import Wanted
from tabpipe.serving.server_variables import PREFIX, seconds_to_end
from tabpipe.serving.wait_ready import until_ready

_INSIDE = 8000
"""The port in the container."""
_PASSED_ON = ("AWS_", "MLFLOW_TRACKING_", *PROXIES)
"""Variables of this process, or their beginnings, by which the server reaches a registry or a store."""


def serve_in_docker(wanted: Wanted, port: int) -> int:
    """Serves in a container until interrupted; returns 0 then, and its exit code where that ends by itself.

    Args:
        wanted: What to serve.
        port: On 127.0.0.1.

    Raises:
        Refusal: No Docker engine, the port is taken, or the server does not become ready.
    """
    from tabpipe.compile.build_images import SERVER, build

    refuse_taken("127.0.0.1", port)
    image = build([SERVER], model=wanted.estimator)[-1].name
    command, environment = container(wanted, port, image)
    server = subprocess.Popen(command, env=environment, start_new_session=True)  # Ctrl-C is for us
    try:
        url = f"http://127.0.0.1:{port}"
        until_ready(url, lambda: _ending(server))
        tell(wanted, url)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        if server.poll() is None:
            server.terminate()  # `docker run` hands it on, and removes the container
            try:
                server.wait()
            except KeyboardInterrupt:
                subprocess.run(["docker", "kill", _name(port)], capture_output=True)
                server.wait()


def container(wanted: Wanted, port: int, image: str) -> tuple[list[str], dict[str, str]]:
    """The command that starts the container, and its environment; no value of a variable stands in the command."""
    inside = {**wanted.environment, f"{PREFIX}CACHE": "/cache"}
    inside.pop("TABPIPE_HOME", None)
    if inside.get("MLFLOW_TRACKING_URI", "").startswith("sqlite:"):
        raise Refusal(
            "a container does not reach the registry of this machine, which is a file",
            where="--model",
            value=wanted.model,
            mend="name it in the artifact store: USE_CASE@ALIAS or USE_CASE@v3",
        )
    mounts: list[str] = []
    store = inside["TABPIPE_ARTIFACTS"].removeprefix("file://")
    if "://" not in store and Path(store).is_dir():
        mounts += _bind(Path(store), "/store", True)
        inside["TABPIPE_ARTIFACTS"] = "/store"
    if wanted.model.startswith("/"):
        mounts += _bind(Path(wanted.model), "/model", True)
        inside[f"{PREFIX}MODEL"] = "/model"
    log = inside.get(f"{PREFIX}LOG", "")
    if log and "://" not in log:
        Path(log).mkdir(parents=True, exist_ok=True)
        mounts += _bind(Path(log), "/log", False)
        inside[f"{PREFIX}LOG"] = "/log"
    if _on_this_machine(inside):
        inside |= {f"{PREFIX}HOST": "127.0.0.1", f"{PREFIX}PORT": str(port)}
        network = ["--network", "host"]
    else:
        inside |= {f"{PREFIX}HOST": "0.0.0.0", f"{PREFIX}PORT": str(_INSIDE)}
        network = ["--publish", f"127.0.0.1:{port}:{_INSIDE}"]
    inside |= {key: value for key, value in os.environ.items() if key.startswith((*_PASSED_ON, "TABPIPE_ARTIFACTS_"))}
    user = f"{os.getuid()}:{os.getgid()}"  # what it reads and logs belongs to whoever has started it
    grace = str(seconds_to_end(wanted.serve) + 10)
    shut_in = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", user]
    room = ["--tmpfs", "/tmp:rw,mode=1777", "--tmpfs", "/cache:rw,mode=1777"]
    command = ["docker", "run", "--rm", "--name", _name(port), "--stop-timeout", grace, *shut_in, *room, *network]
    command += mounts + [word for name in sorted(inside) for word in ("--env", name)]
    return [*command, image], {**os.environ, **inside}


def _bind(path: Path, target: str, read_only: bool) -> list[str]:
    path = path.resolve()
    if "," in str(path):
        raise Refusal("Docker cannot mount it", where=str(path), rule="no comma in the path")
    return ["--mount", f"type=bind,source={path},target={target}" + (",readonly" if read_only else "")]


def _name(port: int) -> str:
    return f"tabpipe-serve-{port}"


def _on_this_machine(variables: dict[str, str]) -> bool:
    """Whether the server must reach something that listens on this machine only."""
    urls = [variables.get("MLFLOW_TRACKING_URI", ""), *(os.environ.get(name, "") for name in _ENDPOINTS)]
    return any(urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1") for url in urls if url)


_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "MLFLOW_S3_ENDPOINT_URL", "TABPIPE_ARTIFACTS_ENDPOINT_URL")


def _ending(server: subprocess.Popen[bytes]) -> str:
    code = server.poll()
    sys.stderr.flush()
    return "" if code is None else f"the container has ended at its start (exit code {code}); what it said is above"
