"""One run of a pipeline on this machine, from the command line's words to the summary."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.artifacts import default_url, open_store
from components.common.errors import Refusal, no_space
from components.common.outside import valid_for
from components.common.registry import mark, standing
from components.common.sources import in_words, parse, redact, resolve
from components.common.step import PROGRESS
from tabpipe import mlflow_store, spool
from tabpipe.config import UseCase, find_config, load
from tabpipe.engines import warm
from tabpipe.history import provenance
from tabpipe.images import STEPS, image_of
from tabpipe.screen import Screen, shorter
from tabpipe.selection import parents_of, prune, refuse_unknown, select
from tabpipe.summary import summarise, tell
from tabpipe.words import failure, note
from tabpipe.workspace import Workspace, home, link_or_copy, link_tree, point, usable_home, write_json

ENDED_BY_SIGNAL = 130
TRACKING_PATIENCE = 30.0
"""Seconds that a run waits for MLflow at its end."""


@dataclass
class Options:
    """What the command line asks for."""

    config: str
    source: str | None = None
    overrides: list[str] = field(default_factory=list)
    steps: list[str] | None = None
    start: str | None = None
    force: bool = False
    json: bool = False
    on: str = "local"
    """local or docker."""


class Run:
    """A run under way.

    Args:
        options: What is asked for.
        use_case: The config, overrides included.
    """

    def __init__(self, options: Options, use_case: UseCase):
        self.options, self.use_case = options, use_case
        self.name = find_config(options.config).stem
        self.started = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.started))
        self.run_id = f"{stamp}-{os.urandom(2).hex()}"
        self.workspace = Workspace(self.name, self.run_id)
        self.screen = Screen(sys.stderr if options.json else sys.stdout, self.workspace.log)
        self.outputs: dict[str, dict[str, Any]] = {}
        self.error: str | None = None
        self.warm: warm.Warm | None = None
        self.tracking: int | None = None
        self.reference = ""
        self.checksum = ""
        self.valid_for = ""
        self.code: dict[str, Any] = {}
        self.parents: dict[str, list[str]] = {}
        self.chosen = frozenset(STEPS)

    def execute(self) -> int:
        """Runs the pipeline, tells of it on the screen, in MLflow and in the run's folder; returns the exit code."""
        arguments = self.use_case.arguments(self.name)
        self.screen.say(f"{self.name} · {shorter(redact(self.use_case.download.source))} · run {self.run_id}")
        self.screen.open(name for name in STEPS if name in arguments)
        self.code = provenance.code({name: image_of(name) for name in STEPS if name in arguments})
        state = "failed"
        try:
            try:
                spool.begin(self.run_id, self.name, self.started)
                state = "succeeded" if self._steps(arguments) else "failed"
            except Refusal as refusal:
                self._fail_running(str(refusal))
            except KeyboardInterrupt:
                state = "interrupted"
                self._fail_running(
                    "interrupted; what the steps before have made is kept, and the next run goes on from there", state
                )
            except OSError as error:
                self._no_space_or_raise(error)
            self.screen.close()
            summary = summarise(self, state)
            try:
                self._close(summary)
            except OSError as error:
                self._no_space_or_raise(error)
                summary = summarise(self, state := "failed")
        finally:
            self.screen.close()
            if self.warm is not None:
                self.warm.stop()
        tell(self, summary)
        return {"succeeded": 0, "interrupted": ENDED_BY_SIGNAL}.get(state, 1)

    def _no_space_or_raise(self, error: OSError) -> None:
        """Words the failure of a run that a full disk ended; passes any other error on."""
        message = no_space(error)
        if message is None:
            raise error
        self._fail_running(message)

    def _steps(self, arguments: dict[str, str]) -> bool:
        """Resolves the source, selects steps and lets the engine run them."""
        if self._frozen_source():
            self.checksum = self.workspace.last.get("checksum", "")
        else:
            self.screen.started("download")
            source = self.use_case.download.source
            self.checksum = resolve(source, home() / "store", in_words(self._progress)).checksum
            # From here on the bytes are known by their checksum; what a URL holds of secrets goes no further.
            self.use_case.download.source = redact(source)
            arguments = self.use_case.arguments(self.name)
        self.reference = "" if self.use_case.check_data.drift.reference else self.workspace.reference_for(self.checksum)
        self.valid_for = valid_for(self.use_case.check_data, home() / "store")
        parameters = {
            **arguments,
            "checksum": self.checksum,
            "reference": self.reference,
            "valid_for": self.valid_for,
        }
        candidate = self._fingerprint(parameters)
        parameters["champion"] = self.workspace.champion_for(candidate, self._champion())
        fingerprint = self._fingerprint(parameters)
        if self.options.force or fingerprint != self.workspace.last.get("fingerprint"):
            self._warm()  # something will run: load the heavy packages while kfp is loaded here

        from tabpipe.engines.local import Execution, run_pipeline
        from tabpipe.pipelines import training_spec

        spec = training_spec("tsne" in arguments)
        self.parents = parents_of(spec)
        selection = select(self.parents, self.options.steps, self.options.start)
        self.chosen = selection.run
        frozen = self.workspace.frozen_keys(selection, self.parents)
        prune(spec, selection)
        execution = Execution(
            root=home() / "kfp",
            log=self.workspace.log,
            spool=spool.spool(self.run_id),
            warm=self._warm,
            docker=self._docker(selection.run) if self.options.on == "docker" else None,
            env={
                "TABPIPE_STORE": str(home() / "store"),
                "TABPIPE_ARTIFACTS": default_url(),
                "TABPIPE_USE_CASE": self.name,
                "TABPIPE_RUN": self.run_id,
                "TABPIPE_COMMIT": self.code["commit"] or "",
                "MLFLOW_TRACKING_URI": mlflow_store.tracking_uri(),
            },
            forced=selection.run if self.options.force else frozenset(),
            frozen=frozen,
            on_start=self.screen.started,
            on_launched=self._launched,
            on_end=self._ended,
            on_fail=self._failed,
        )
        succeeded = run_pipeline(spec, parameters, execution, self.workspace.log("engine"))
        if succeeded and "promote" in selection.run:
            self.workspace.promoted(candidate, parameters["champion"], self._champion())
        if succeeded and selection.whole:
            self.workspace.finished(fingerprint)
        return succeeded

    def _fingerprint(self, parameters: dict[str, str]) -> str:
        """What stands for all that a run hangs on."""
        return hashlib.sha256(json.dumps([parameters, self.code["images"]], sort_keys=True).encode()).hexdigest()

    def _champion(self) -> str:
        """How things stand with the use case's champion."""
        store = open_store()
        return mark(store, standing(store, self.name))

    def _docker(self, steps: frozenset[str]) -> Any:
        """The runner of containers, once the images that they need are there."""
        from tabpipe.builder import build
        from tabpipe.engines.docker_steps import runner

        build(sorted(steps))
        sources = [self.use_case.download.source, self.use_case.check_data.drift.reference or ""]
        read = [Path(parse(source).target).absolute() for source in sources if source and parse(source).kind == "path"]
        write, artifacts = [home()], default_url()
        if "://" not in artifacts and not Path(artifacts).is_relative_to(home()):
            Path(artifacts).mkdir(parents=True, exist_ok=True)
            write.append(Path(artifacts))
        return runner(write, read)

    def _frozen_source(self) -> bool:
        """Whether the source need not be looked at, since download does not run."""
        chosen = self.options.steps or ([self.options.start] if self.options.start else ["download"])
        return "download" not in chosen

    def _warm(self) -> warm.Warm | None:
        if self.warm is None and self.options.on == "local" and warm.available():
            self.warm = warm.Warm(self.workspace.log("engine"))
        return self.warm

    def _progress(self, text: str) -> None:
        log = self.workspace.log("download")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"{PROGRESS}{text}\n")

    def _launched(self, step: str) -> None:
        """Lets the tracker work beside the longest step, once what that step needs is loaded."""
        if step == "train":
            self._start_tracker()

    def _start_tracker(self) -> None:
        if self.tracking is None and self.warm is not None:
            folder = str(spool.spool(self.run_id))
            self.tracking = self.warm.start("tracker", ["tabpipe.tracker", folder], self.workspace.log("tracker"), {})

    def _ended(self, step: str, key: str, outputs: dict[str, Any], cached: bool) -> None:
        self.outputs[step] = outputs
        if step in self.chosen:
            self.workspace.remember(step, key, self.parents[step])
        if step == "download" and step in self.chosen:
            self.workspace.note_checksum(self.checksum)
        for value in outputs.values():
            if getattr(value, "schema_title", "") == "system.HTML":
                self._keep_report(step, Path(value.uri))
        if step == "check_data" and step in self.chosen:
            accepted = outputs["accepted"]
            self.workspace.accept(self.checksum, Path(accepted.path), accepted.metadata["digest"], self.reference)
        self.screen.ended(step, "succeeded", key=key, cached=cached, note=note(step, outputs))

    def _failed(self, step: str, code: int, folder: Path) -> None:
        log = self.workspace.log(step)
        self.error = failure(step, code, log)
        report = folder / "report"
        if report.is_file():
            self.error = self.error.replace(str(report), shorter(self._keep_report(step, report)))
        self.screen.ended(step, "failed")

    def _fail_running(self, message: str, state: str = "failed") -> None:
        self.error = self.error or message
        for step in self.screen.steps.values():
            if step.state == "running":
                self.screen.ended(step.name, state)

    def _keep_report(self, step: str, page: Path) -> Path:
        """Gives an HTML output a name that a browser knows, in the run's folder."""
        kept = self.workspace.run / "reports" / f"{step}.html"
        link_or_copy(page, kept)
        return kept

    def _config(self) -> dict[str, Any]:
        """The config without the sections of steps whose outputs an earlier run has made by others."""
        config = self.use_case.model_dump(mode="json")
        config["download"]["source"] = redact(config["download"]["source"])
        drift = config["check_data"]["drift"]
        if declared := drift["reference"]:  # to be found again from any folder, and no secret of a URL kept
            drift["reference"] = os.path.abspath(declared) if parse(declared).kind == "path" else redact(declared)
        return {key: value for key, value in config.items() if key not in STEPS or key in self.chosen}

    def _close(self, summary: dict[str, Any]) -> None:
        """Writes the run's folder, and lets MLflow have it."""
        if summary["model"]:
            link_tree(Path(self.outputs["train"]["model"].path), Path(summary["model"]))
        config = self._config()
        write_json(self.workspace.run / "config.json", config)
        write_json(self.workspace.run / "summary.json", summary)
        if summary["state"] == "succeeded" and summary["model"]:
            point(self.workspace.root / "latest", self.workspace.run)
        steps = [vars(step) for step in self.screen.steps.values() if step.state in ("succeeded", "failed")]
        spool.end(summary, config, steps, self.workspace.run)
        ran = any(step["state"] == "succeeded" and not step["cached"] for step in steps)
        if summary["state"] == "succeeded" and ran and self.warm is not None:
            self._start_tracker()
        if self.tracking is not None and self.warm is not None:
            ended = self.warm.wait(self.tracking, TRACKING_PATIENCE)
            if ended is None or ended["exit"]:
                self.screen.say("  MLflow could not be written; the next run or `make ui` tries again")
        else:
            # Nobody waits for MLflow to hear of a refusal, or of a run that was cached throughout.
            wait = summary["state"] == "succeeded" and ran
            spool.track_apart(self.run_id, self.workspace.log("tracker"), wait)


def run(options: Options) -> int:
    """Runs a use case; returns the exit code."""
    overrides = list(options.overrides)
    if options.source is not None:
        overrides.append(f"download.source={json.dumps(options.source)}")
    use_case = load(options.config, overrides)
    usable_home()
    known = [name for name in STEPS if name != "tsne" or use_case.tsne is not None]
    refuse_unknown([*(options.steps or []), *([options.start] if options.start else [])], known)
    address = parse(use_case.download.source)
    if address.kind == "path":
        use_case.download.source = os.path.abspath(address.target)  # a step may run in another folder
    return Run(options, use_case).execute()
