"""The local engine: kfp.local, its cache and its orchestrator, with steps forked from a warm process where possible.

Two of kfp.local's own interfaces are implemented here: a `LocalCache` that tells what it serves, and an `ITaskHandler`
that runs a step's command. Everything else (order, retries, inputs and outputs) is kfp's.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.base.packages import RESULTS, installed
from components.common.tracking.record import SPOOL
from tabpipe.engines.execution import Execution, Outputs
from tabpipe.engines.fork_client import step_environment
from tabpipe.engines.kfp_light import left_out, local
from tabpipe.project import read_json, write_json
from tabpipe.steps import by_task

from kfp.local import cache, pipeline_orchestrator, status, subprocess_task_handler  # isort: skip  # after kfp_light

with left_out("docker"):  # kfp.local imports its client, 0.07 s, whether or not a step runs in a container
    from kfp.local import task_dispatcher


_METADATA_ONLY = ("system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics")


class StepCache(cache.LocalCache):
    """kfp.local's cache, which also tells the execution what it does."""

    def __init__(self, cache_root: str, execution: Execution):
        super().__init__(cache_root)
        self.execution = execution
        self.steps: dict[str, str] = {}

    def compute_key(self, *, component_name: str, arguments: dict[str, Any], **more: Any) -> str:
        """The key of a task, by the contents of its inputs; kfp asks for it when the task's turn has come."""
        contents = {name: _content(value) for name, value in arguments.items()}
        key = super().compute_key(component_name=component_name, arguments=contents, **more)
        step = component_name.removeprefix("comp-").replace("-", "_")
        if self.execution.docker is None:  # an image holds its packages; this environment can change under its name
            loads = step in by_task() and by_task()[step].estimator
            versions = _environment(self.execution.packages if loads else ())
            key = hashlib.sha256(f"{key} {versions}".encode()).hexdigest()
        self.steps[key] = step
        self.execution.on_start(step)
        return key

    def get(self, key: str) -> Outputs | None:
        """The outputs for a key; for a frozen step those of its key, for a forced step none."""
        step = self.steps[key]
        if step in self.execution.forced:
            return None
        frozen = self.execution.frozen.get(step)
        outputs = super().get(frozen or key)
        if outputs is not None and self._damaged(frozen or key, outputs):
            outputs = None
        if frozen is not None and outputs is None:
            raise Refusal(f"the outputs of {step} from an earlier run are gone", mend=f"run it again: --from {step}")
        if outputs is not None:
            self.execution.on_end(step, frozen or key, outputs, True)
        return outputs

    def put(self, key: str, outputs: Outputs) -> None:
        """Keeps the outputs of a task that has ended well, and what their files look like now."""
        for value in outputs.values():
            if getattr(value, "schema_title", "") in _METADATA_ONLY:
                # All of it is metadata, so there is no file; but kfp takes an entry with a missing file for stale.
                Path(value.uri).touch()
        write_json(self._looks(key), _state(outputs))
        super().put(key, outputs)
        self.execution.on_end(self.steps[key], key, outputs, False)

    def _looks(self, key: str) -> Path:
        return Path(self.cache_root) / "files" / f"{key}.json"

    def _damaged(self, key: str, outputs: Outputs) -> bool:
        """Whether a file of cached outputs is gone or is not as its step left it."""
        return read_json(self._looks(key), None) != _state(outputs)


def _content(value: Any) -> Any:
    """What identifies an input: of an artifact with a digest that and its other metadata, not where its file is.

    So a step that has made the same bytes anew lets the steps after it be.
    """
    metadata = getattr(value, "metadata", None) or {}
    return [value.schema_title, metadata] if "digest" in metadata else value


def _state(outputs: Outputs) -> dict[str, list[int]]:
    """Each file of local outputs to its size and time of change in nanoseconds."""
    state = {}
    for value in outputs.values():
        root = Path(getattr(value, "uri", "") or os.devnull)
        for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
            if path.is_file():
                found = path.stat()
                state[str(path)] = [found.st_size, found.st_mtime_ns]
    return state


@functools.cache
def _environment(more: tuple[str, ...] = ()) -> str:
    """The versions that results depend on where steps run in this environment: of Python, and of packages."""
    return f"{sys.version_info[:2]} {installed((*RESULTS, *more))}"


class StepHandler(subprocess_task_handler.SubprocessTaskHandler):
    """Runs a component's command in a fork of the warm process, or as kfp does in a new Python."""

    execution: Execution

    def validate_image(self, image: str) -> None:
        """Our images hold what this environment holds; there is nothing to warn of."""

    def run(self) -> status.Status:
        """Runs the step; its output goes to its log."""
        source, argv = _source_and_arguments(self.full_command)
        executor_input = json.loads(argv[argv.index("--executor_input") + 1])
        folder = Path(executor_input["outputs"]["outputFile"]).parent
        step = folder.name.replace("-", "_")
        execution = self.execution
        folder.mkdir(parents=True, exist_ok=True)
        env = {**execution.env, **self.env_vars, SPOOL: str(execution.spool / f"{step}.json")}
        warm = execution.warm()
        if warm is not None:
            ticket = warm.start(step, argv, execution.log(step), env, source)
            execution.on_launched(step)
            code = warm.wait(ticket)["exit"]
        else:
            code = _run_cold(self.full_command, execution.log(step), env)
        if code:
            execution.on_fail(step, code, folder)
        return status.Status.FAILURE if code else status.Status.SUCCESS


def _source_and_arguments(command: list[str]) -> tuple[str, list[str]]:
    """Splits a lightweight component's command `sh -ec SCRIPT SOURCE ARGUMENT…` after its script."""
    at = next(i for i, part in enumerate(command) if "ephemeral_component.py" in part)
    return command[at + 1], command[at + 2 :]


def _run_cold(command: list[str], log: Path, env: dict[str, str]) -> int:
    command = subprocess_task_handler.replace_python_executable(command, sys.executable)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **step_environment(), **env},
            start_new_session=True,
        )
        try:
            return process.wait()
        except BaseException:
            os.killpg(process.pid, 2)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=2)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            raise


def run_pipeline(spec: Any, arguments: dict[str, Any], execution: Execution, engine_log: Path) -> bool:
    """Runs a compiled pipeline with kfp.local.

    Args:
        spec: The PipelineSpec, images stamped.
        arguments: Its parameters.
        execution: What may be cached, and who is told of what.
        engine_log: File for what kfp itself prints.

    Returns:
        Whether all steps ended well.
    """
    execution.root.mkdir(parents=True, exist_ok=True)
    cache_root = execution.root / "cache"
    engine_log.parent.mkdir(parents=True, exist_ok=True)
    local.init(
        execution.docker or local.SubprocessRunner(use_venv=False),
        pipeline_root=str(execution.root),
        raise_on_error=False,
        enable_caching=True,
        cache_root=str(cache_root),
    )
    cache._cache_singleton = StepCache(str(cache_root), execution)
    cache._cache_singleton_root = str(cache_root)
    failed = threading.Event()
    on_fail = execution.on_fail

    def failing(step: str, code: int, folder: Path | None) -> None:
        failed.set()
        on_fail(step, code, folder)

    execution.on_fail = failing
    with engine_log.open("a") as output, contextlib.redirect_stdout(output), _handled_by(execution), _logged(output):
        pipeline_orchestrator.run_local_pipeline(pipeline_spec=spec, arguments=arguments)
    return not failed.is_set()


@contextlib.contextmanager
def _handled_by(execution: Execution) -> Iterator[None]:
    """Lets kfp.local run tasks by our handlers; its dispatcher looks their classes up at each task."""
    module: Any
    if execution.docker is None:
        module, name, ours = subprocess_task_handler, "SubprocessTaskHandler", StepHandler
    else:
        from kfp.local import docker_task_handler

        task_dispatcher.docker_task_handler, task_dispatcher._DOCKER_AVAILABLE = docker_task_handler, True
        from tabpipe.engines.docker import DockerStepHandler as ours

        module, name = docker_task_handler, "DockerTaskHandler"
    original = getattr(module, name)
    setattr(module, name, type(ours.__name__, (ours,), {"execution": execution}))
    try:
        yield
    finally:
        setattr(module, name, original)


@contextlib.contextmanager
def _logged(output: Any) -> Iterator[None]:
    """Sends the root logger to the engine's log while kfp runs."""
    logger = logging.getLogger()
    level, handlers = logger.level, logger.handlers[:]
    logger.handlers[:] = [logging.StreamHandler(output)]
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(level)
        logger.handlers[:] = handlers
