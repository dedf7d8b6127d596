"""A run on the cluster, watched until it ends."""

from __future__ import annotations

import re
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.client import Cluster
from tabpipe.cluster.workflow_progress import Step, log_of, steps_of, stuck, workflow_of
from tabpipe.runs.screen import Screen
from tabpipe.runs.step_messages import failure

EVERY = 2.0
"""Seconds between two looks at the cluster."""
PATIENCE = 120.0
"""Seconds for which a pod may be unable to start, or the cluster not answer, before the watch ends."""
OVER = {"SUCCEEDED": "succeeded", "FAILED": "failed", "CANCELED": "canceled", "SKIPPED": "skipped"}
"""Kubeflow's states of runs that have ended, and how they are called here."""


@dataclass
class Outcome:
    """How a run ended."""

    state: str
    """succeeded, failed or canceled."""
    steps: dict[str, Step]
    error: str | None = None
    plugins: dict[str, Any] = field(default_factory=dict)
    """What Kubeflow's plugins said of the run."""


class Watch:
    """Follows one run on the screen.

    Args:
        cluster: Where it is.
        run_id: Which.
        names: The pipeline's steps.
        quiet: Whether stdout is kept for machines.
    """

    def __init__(self, cluster: Cluster, run_id: str, names: list[str], quiet: bool = False):
        self.cluster, self.run_id, self.names = cluster, run_id, names
        self._folder = tempfile.TemporaryDirectory()
        self.screen = Screen(sys.stderr if quiet else sys.stdout, self._log)
        self.steps: dict[str, Step] = {}
        self._stuck_since = 0.0
        self._said: set[str] = set()

    def _log(self, step: str) -> Path:
        return Path(self._folder.name) / f"{step}.log"

    def until_over(self) -> Outcome:
        """Watches.

        Raises:
            Refusal: A pod cannot start, or the cluster does not answer any more; the run itself is left as it is.
        """
        self.screen.open(self.names)
        try:
            while True:
                run = self._patiently(lambda: self.cluster.kfp.get_run(self.run_id))
                workflow = self._patiently(lambda: workflow_of(self.cluster, self.run_id))
                if workflow:
                    self.steps = steps_of(workflow, self.names)
                self._show()
                if run.state in OVER:
                    return self._outcome(run)
                self._refuse_stuck()
                time.sleep(EVERY)
        finally:
            self.screen.close()
            self._folder.cleanup()

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """An answer of the cluster, which may be away for a while: a laptop sleeps, an API server is restarted."""
        import kfp_server_api
        import urllib3
        from kubernetes.client import ApiException

        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return ask()
            except (urllib3.exceptions.HTTPError, OSError, ApiException, kfp_server_api.ApiException) as error:
                if time.monotonic() > deadline or getattr(error, "status", 500) in (400, 401, 403, 404):
                    raise Refusal(
                        f"the cluster does not answer any more: {getattr(error, 'reason', None) or error}",
                        where=f"context {self.cluster.context}",
                        mend=f"the run {self.run_id} may well go on; the Kubeflow UI shows it",
                    ) from None
                time.sleep(EVERY)

    def _show(self) -> None:
        """Brings the screen up to the steps' present states."""
        for name, step in self.steps.items():
            shown = self.screen.steps[name]
            if shown.state == "waiting":
                self.screen.started(name)
                shown.started = step.started or shown.started
            if step.state == "running":
                self._follow(step)
            elif shown.state == "running":
                self.screen.ended(name, step.state, cached=step.cached, note=_tries(step))
                if not step.cached:
                    shown.seconds = round(step.ended - step.started, 1)

    def _follow(self, step: Step) -> None:
        """Keeps the end of a running step's log, whose progress the screen shows, and says that a try failed."""
        if step.pod:
            self._log(step.name).write_text(log_of(self.cluster, step.pod, lines=5))
        if (
            step.message
            and (said := f"  {step.name}: try {step.tries} failed ({step.message}); it is tried again")
            not in self._said
        ):
            self._said.add(said)
            self.screen.say(said)

    def _refuse_stuck(self) -> None:
        why = self._patiently(lambda: stuck(self.cluster, self.run_id))
        if not why:
            self._stuck_since = 0.0
            return
        self._stuck_since = self._stuck_since or time.monotonic()
        if "image" in why or time.monotonic() - self._stuck_since > PATIENCE:
            self._patiently(lambda: self.cluster.kfp.terminate_run(self.run_id))
            raise Refusal(
                why,
                where=f"run {self.run_id}, which was ended",
                mend="`make images PUSH=1 REGISTRY=…` puts images where the cluster finds them"
                if "image" in why
                else "make room, or ask for less under cluster.resources",
            )

    def _outcome(self, run: Any) -> Outcome:
        state = OVER[run.state]
        error = self._why(run) if state == "failed" else None
        return Outcome(state, self.steps, error, run.plugins_output or {})

    def _why(self, run: Any) -> str:
        """What made a run fail, in the failed step's own words if it left any."""
        for name, step in self.steps.items():
            if step.state == "failed":
                return self._why_step(name, step)
        return f"the run failed: {run.error.message if run.error else 'Kubeflow does not say why'}"

    def _why_step(self, name: str, step: Step) -> str:
        if "OOMKilled" in step.message:
            return (
                f"{name} used more memory than it may\n"
                f"  mend:  cluster.steps.{name}.memory_limit=8Gi, or a smaller table"
            )
        if "deadline" in step.message.lower():
            return f"{name} took longer than it may ({step.message})\n  mend:  cluster.steps.{name}.timeout=8h"
        if not step.pod:
            return f"{name} could not be started: {step.message}"
        log = self._log(name)
        log.write_text(log_of(self.cluster, step.pod))
        if "-driver-" in step.pod:
            return f"Kubeflow could not start {name}: {_driver_words(log.read_text()) or step.message}"
        if log.stat().st_size:
            return failure(name, 1, log).replace(str(log), f"(kubectl logs -n kubeflow {step.pod})")
        return f"{name} failed: {step.message or 'its pod is gone and left no message'}"


def _driver_words(log: str) -> str:
    """What Kubeflow's driver gave as the reason of its end."""
    fatal = [line for line in log.splitlines() if re.match(r"F\d{4} ", line)]
    return fatal[-1].rpartition(") failed: ")[2] if fatal else ""


def _tries(step: Step) -> str:
    return f"in {step.tries} tries" if step.tries > 1 else ""
