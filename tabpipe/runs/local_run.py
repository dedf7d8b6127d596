"""A run under way on this machine: what the pipelines train and score have in common."""

from __future__ import annotations

import json
import os
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.artifacts import default_url
from components.common.base.errors import Refusal, no_space
from components.common.base.files import written_whole
from components.common.base.redact import redact
from components.common.config.estimators import packages_of
from components.common.reports.html import of_run
from components.common.sources import in_words, parse, parts_of, paths_of, resolve
from components.common.tracking.step import PROGRESS
from tabpipe.compile.images import image_of
from tabpipe.config import UseCase, load
from tabpipe.engines import fork_client
from tabpipe.project import home, usable_home, write_json
from tabpipe.runs import provenance
from tabpipe.runs.screen import Screen, shorter
from tabpipe.runs.step_messages import note
from tabpipe.tracking import mlflow_store, spool

if TYPE_CHECKING:
    from tabpipe.engines.execution import Execution

_CODES = {"succeeded": 0, "failed": 1, "interrupted": 130}
"""State to exit code; 130 is what a shell gives a command that Ctrl-C ended."""


class UnderWay(ABC):
    """A run under way; a pipeline says which steps there are and what becomes of their outputs.

    Args:
        use_case: The config, overrides included.
        name: What the use case is called.
        experiment: What MLflow's experiment is called.
        kind: The folder of the use case that holds the folders of such runs.
        on: local or docker.
        quiet: Whether stdout is kept for a JSON document.
    """

    pipeline = ""
    """What the screen calls the pipeline; empty of the usual one."""
    interrupted = "interrupted"
    """What is said of an interruption."""

    def __init__(self, use_case: UseCase, name: str, experiment: str, kind: str, on: str, quiet: bool):
        self.use_case, self.name, self.experiment, self.on, self.quiet = use_case, name, experiment, on, quiet
        self.started = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.started))
        self.run_id = f"{stamp}-{os.urandom(2).hex()}"
        self.folder = home() / name / kind / self.run_id
        self.screen = Screen(sys.stderr if quiet else sys.stdout, self.log)
        self.outputs: dict[str, dict[str, Any]] = {}
        self.error: str | None = None
        self.checksum = ""
        self.code: dict[str, Any] = {}
        self.warm: fork_client.Warm | None = None

    # --- what a pipeline says

    @abstractmethod
    def names(self) -> list[str]:
        """The steps, in the order in which the screen shows them."""

    @abstractmethod
    def run_steps(self) -> bool:
        """Resolves the source and lets the engine run the steps; returns whether all succeeded."""

    @abstractmethod
    def summary(self, state: str) -> dict[str, Any]:
        """The document that `--json` prints and summary.json keeps."""

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The config, as it is kept with the run: without secrets."""

    @abstractmethod
    def tell(self, summary: dict[str, Any]) -> None:
        """Prints what came of it."""

    # --- from the first line on the screen to the exit code

    def execute(self) -> int:
        """Runs the pipeline, tells of it on the screen, in MLflow and in the run's folder; returns the exit code."""
        source = shorter(redact(self.use_case.download.source))
        title = [self.name, *([self.pipeline] if self.pipeline else []), source, f"run {self.run_id}"]
        self.screen.say(" · ".join(title))
        self.screen.open(self.names())
        self.code = provenance.code({name: image_of(name, model=self.use_case.train.model) for name in self.names()})
        state = "failed"
        try:
            try:
                spool.begin(self.run_id, self.experiment, self.started)
                state = "succeeded" if self.run_steps() else "failed"
            except Refusal as refusal:
                self._fail_running(str(refusal))
            except KeyboardInterrupt:
                state = "interrupted"
                self._fail_running(self.interrupted, state)
            except OSError as error:
                self._no_space_or_raise(error)
            self.screen.close()
            summary = self.summary(state)
            try:
                self._close(summary)
            except OSError as error:
                self._no_space_or_raise(error)
                summary = self.summary(state := "failed")
        finally:
            self.screen.close()
            if self.warm is not None:
                self.warm.stop()
        self.tell(summary)
        if self.quiet:
            print(json.dumps(summary))
        return _CODES[state]

    def document(self, state: str) -> dict[str, Any]:
        """What the summaries of all pipelines have."""
        return {
            "run_id": self.run_id,
            "use_case": self.name,
            "state": state,
            "started": self.started,
            "seconds": round(time.time() - self.started, 3),
            "source": redact(self.use_case.download.source),
            "checksum": self.checksum,
            "steps": [
                {"name": step.name, "state": step.state, "seconds": step.seconds, "cached": step.cached}
                for step in self.screen.steps.values()
            ],
            "engine": self.on,
            "code": self.code,
            "error": self.error,
        }

    def write(self, summary: dict[str, Any], config: dict[str, Any]) -> None:
        """Writes the run's folder."""
        write_json(self.folder / "config.json", config)
        write_json(self.folder / "summary.json", summary)

    def track(self, wait: bool) -> None:
        """Lets MLflow have the run.

        Args:
            wait: Whether to wait for that: nobody does to hear of a refusal, or of a run that was cached throughout.
        """
        spool.track_apart(self.run_id, self.log("tracker"), wait)

    def _close(self, summary: dict[str, Any]) -> None:
        config = self.config()
        self.write(summary, config)
        steps = [vars(step) for step in self.screen.steps.values() if step.state in ("succeeded", "failed")]
        spool.end(summary, config, steps, self.folder)
        if summary["state"] != "interrupted":  # else to be over is all that is asked for; the next run tells MLflow
            ran = any(step["state"] == "succeeded" and not step["cached"] for step in steps)
            self.track(summary["state"] == "succeeded" and ran)

    # --- what steps need, and leave

    def log(self, step: str) -> Path:
        """The log of a step of this run."""
        return self.folder / "logs" / f"{step}.log"

    def find_source(self) -> None:
        """Finds out what the source holds. From there on the bytes are known by their checksum, without secrets."""
        self.screen.started("download")
        source = self.use_case.download.source
        self.checksum = resolve(source, home() / "store", in_words(self._progress)).checksum
        self.use_case.download.source = redact(source)

    def warmed(self) -> fork_client.Warm | None:
        """The warm process, started when first asked for; None where steps are not forked."""
        if self.warm is None and self.on == "local" and fork_client.available():
            self.warm = fork_client.Warm(self.log("engine"))
        return self.warm

    def execution(self, steps: Iterable[str], read: Iterable[str], **more: Any) -> Execution:
        """What the local engine is handed.

        Args:
            steps: The steps that run.
            read: Sources that containers must be able to read.
            more: What only this pipeline has.
        """
        from tabpipe.engines.execution import Execution

        return Execution(
            root=home() / "kfp",
            log=self.log,
            spool=spool.spool(self.run_id),
            warm=self.warmed,
            packages=packages_of(self.use_case.train.model),
            docker=self._docker(steps, read) if self.on == "docker" else None,
            env={
                "TABPIPE_STORE": str(home() / "store"),
                "TABPIPE_ARTIFACTS": default_url(),
                "TABPIPE_USE_CASE": self.experiment,
                "TABPIPE_RUN": self.run_id,
                "TABPIPE_COMMIT": self.code["commit"] or "",
                "MLFLOW_TRACKING_URI": mlflow_store.tracking_uri(),
            },
            on_start=self.screen.started,
            **more,
        )

    def succeeded(self, step: str, key: str, outputs: dict[str, Any], cached: bool) -> None:
        """Shows a step that has succeeded."""
        self.screen.ended(step, "succeeded", key=key, cached=cached, note=note(step, outputs))

    def keep_page(self, step: str, page: Path, cached: bool = False) -> Path:
        """Keeps an HTML output in the run's folder, under a name that a browser knows; it says of which run it is."""
        run = f"{self.run_id}, which took this page from an earlier one" if cached else self.run_id
        kept = self.folder / "reports" / f"{step}.html"
        content = page.read_text(encoding="utf-8", errors="surrogateescape")  # another program's may be no UTF-8
        with written_whole(kept) as beside:
            facts = {"use case": self.name, "run": run, "source": redact(self.use_case.download.source)}
            beside.write_text(of_run(content, facts), encoding="utf-8", errors="surrogateescape")
        return kept

    def _docker(self, steps: Iterable[str], read: Iterable[str]) -> Any:
        """The runner of containers, once the images that they need are there."""
        from tabpipe.compile.build_images import build
        from tabpipe.engines.docker import runner

        build(sorted(steps), model=self.use_case.train.model)
        paths = [path for source in read if source for path in mounts_of(source)]
        write, artifacts = [home()], default_url()
        if "://" not in artifacts and not Path(artifacts).is_relative_to(home()):
            Path(artifacts).mkdir(parents=True, exist_ok=True)
            write.append(Path(artifacts))
        return runner(write, paths)

    def _progress(self, text: str) -> None:
        log = self.log("download")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"{PROGRESS}{text}\n")

    def _no_space_or_raise(self, error: OSError) -> None:
        """Words the failure of a run that a full disk ended; passes any other error on."""
        message = no_space(error)
        if message is None:
            raise error
        self._fail_running(message)

    def _fail_running(self, message: str, state: str = "failed") -> None:
        self.error = self.error or message
        for step in self.screen.steps.values():
            if step.state == "running":
                self.screen.ended(step.name, state)


def mounts_of(source: str) -> list[Path]:
    """Return what a container must see of a source on this machine: the file, or the folder of its part files."""
    address = parse(source)
    if address.kind != "path":
        return []
    parts = parts_of(address)
    if parts is None:
        return [Path(address.target)]
    if Path(parts.folder) in (Path("/"), Path("/tmp")):  # a container has its own
        return [Path(path) for path in paths_of(address.target)]
    return [Path(parts.folder)]


def asked_for(config: str, source: str | None, overrides: Sequence[str]) -> UseCase:
    """The config that a run is asked for with.

    Args:
        config: A use case under config/, or a YAML file.
        source: The table, instead of the config's own.
        overrides: `dotted.name=value`.

    Raises:
        Refusal: The config is not accepted, or outputs cannot be written.
    """
    more = [] if source is None else [f"download.source={json.dumps(source)}"]
    use_case = load(config, [*overrides, *more])
    usable_home()
    address = parse(use_case.download.source)
    if address.kind == "path":
        use_case.download.source = os.path.abspath(address.target)  # a step may run in another folder
    return use_case
