"""Steps in containers: kfp.local's Docker runner, on the steps' own images, with the least that a step may do.

kfp.local's own handler removes a container before its exit code is read, and then takes a failure for a success. This
one reads the code first, and sends the step's output to its log.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from components.common.tracking.record import SPOOL
from tabpipe.engines.kfp_light import local
from tabpipe.environment import PROXIES

if TYPE_CHECKING:
    from tabpipe.engines.execution import Execution

from kfp.local import docker_task_handler, status  # isort: skip  # after kfp_light

_PASSED_ON = ("AWS_", "TABPIPE_ARTIFACTS", *PROXIES)
"""Variables of this process, or their beginnings, that steps get: where stores are and how to reach them."""


def runner(writable: list[Path], readable: list[Path]) -> local.DockerRunner:
    """The runner for containers that see some folders and nothing else of this machine.

    Args:
        writable: The folder for outputs, and the artifact store where it is another folder.
        readable: Files or folders that steps read.
    """
    from docker.types import Mount

    mounts = [
        Mount(str(path), str(path), type="bind", read_only=path not in writable)
        for path in dict.fromkeys([*writable, *readable])
    ]
    return local.DockerRunner(
        mounts=mounts,
        user=f"{os.getuid()}:{os.getgid()}",  # what a step writes belongs to whoever started the run
        read_only=True,
        tmpfs={"/tmp": "rw,mode=1777"},  # the container's own
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        network_mode="host",  # a source or a store may be on this machine
        environment={key: value for key, value in os.environ.items() if key.startswith(_PASSED_ON)},
    )


class DockerStepHandler(docker_task_handler.DockerTaskHandler):
    """Runs a step's command in a container of its image."""

    execution: Execution

    def run(self) -> status.Status:
        """Runs the step; its output goes to its log."""
        import docker

        executor_input = json.loads(self.full_command[self.full_command.index("--executor_input") + 1])
        folder = Path(executor_input["outputs"]["outputFile"]).parent
        step = folder.name.replace("-", "_")
        folder.mkdir(parents=True, exist_ok=True)
        log = self.execution.log(step)
        log.parent.mkdir(parents=True, exist_ok=True)
        client = docker.from_env()
        arguments: dict[str, Any] = {
            **self.runner.container_run_args,
            "environment": {**self.env_vars, **self.execution.env, SPOOL: str(self.execution.spool / f"{step}.json")},
        }
        try:
            container = client.containers.run(self.image, self.full_command, detach=True, **arguments)
        except docker.errors.ImageNotFound:
            raise Refusal("the image is not on this machine", where=self.image, mend="build it: make images") from None
        try:
            with log.open("ab") as output:
                for chunk in container.logs(stream=True, follow=True):
                    output.write(chunk)
                    output.flush()
            ended = container.wait()
            container.reload()
            code = -9 if container.attrs["State"].get("OOMKilled") else ended["StatusCode"]
        finally:
            container.remove(force=True)
            client.close()
        if code:
            self.execution.on_fail(step, code, folder)
        return status.Status.FAILURE if code else status.Status.SUCCESS
