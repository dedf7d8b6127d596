"""One run of the pipeline train on this machine, from the command line's words to the summary."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.artifacts import open_store
from components.common.base.redact import redact
from components.common.config.estimators import packages_of, refuse_not_installed
from components.common.registry import mark, standing
from components.common.sources import parse
from components.common.sources.cache_inputs import valid_for
from tabpipe.config import UseCase, find_config
from tabpipe.engines.fork_client import TRACKER
from tabpipe.project import home, link_tree
from tabpipe.runs import provenance
from tabpipe.runs.local_run import UnderWay, asked_for
from tabpipe.runs.run_store import Workspace, point
from tabpipe.runs.screen import shorter
from tabpipe.runs.selection import parents_of, prune, refuse_unknown, select
from tabpipe.runs.step_messages import failure
from tabpipe.runs.summary import METRICS, tell
from tabpipe.steps import steps, tasks, wanted_by
from tabpipe.tracking.spool import spool

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


class Run(UnderWay):
    """A run under way.

    Args:
        options: What is asked for.
        use_case: The config, overrides included.
    """

    interrupted = "interrupted; what the steps before have made is kept, and the next run goes on from there"

    def __init__(self, options: Options, use_case: UseCase):
        name = find_config(options.config).stem
        super().__init__(use_case, name, name, "runs", options.on, options.json)
        self.options = options
        self.workspace = Workspace(self.name, self.run_id)
        self.tracking: int | None = None
        self.reference = ""
        self.valid_for = ""
        self.parents: dict[str, list[str]] = {}
        self.chosen = frozenset(tasks("train"))

    def names(self) -> list[str]:
        """The steps that the config asks for."""
        return wanted_by(self.use_case, tasks("train"))

    def run_steps(self) -> bool:
        """Resolves the source, selects steps and lets the engine run them."""
        if self._frozen_source():
            self.checksum = self.workspace.last.get("checksum", "")
        else:
            self.find_source()
        self.reference = "" if self.use_case.check_data.drift.reference else self.workspace.reference_for(self.checksum)
        self.valid_for = valid_for(self.use_case.check_data, home() / "store")
        parameters = {
            **self.use_case.arguments(self.name),
            "checksum": self.checksum,
            "reference": self.reference,
            "valid_for": self.valid_for,
        }
        candidate = self._fingerprint(parameters)
        parameters["champion"] = self.workspace.champion_for(candidate, self._champion())
        fingerprint = self._fingerprint(parameters)
        if self.options.force or fingerprint != self.workspace.last.get("fingerprint"):
            self.warmed()  # something will run: load the heavy packages while kfp is loaded here

        from tabpipe.compile.pipelines import training_spec
        from tabpipe.engines.kfp_local import run_pipeline

        spec = training_spec("tsne" in self.names(), model=self.use_case.train.model)
        self.parents = parents_of(spec)
        selection = select(self.parents, self.options.steps, self.options.start)
        self.chosen = selection.run
        frozen = self.workspace.frozen_keys(selection, self.parents)
        prune(spec, selection)
        execution = self.execution(
            selection.run,
            [self.use_case.download.source, self.use_case.check_data.drift.reference or ""],
            forced=selection.run if self.options.force else frozenset(),
            frozen=frozen,
            on_launched=self._launched,
            on_end=self._ended,
            on_fail=self._failed,
        )
        succeeded = run_pipeline(spec, parameters, execution, self.log("engine"))
        if succeeded and "promote" in selection.run:
            self.workspace.promoted(candidate, parameters["champion"], self._champion())
        if succeeded and selection.whole:
            self.workspace.finished(fingerprint)
        return succeeded

    def summary(self, state: str) -> dict[str, Any]:
        """The document that `--json` prints and summary.json keeps."""
        return summarise(self, state)

    def tell(self, summary: dict[str, Any]) -> None:
        """Prints the metrics and where things are, or what went wrong."""
        tell(self, summary, self.workspace.previous_summary)

    def config(self) -> dict[str, Any]:
        """The config without the sections of steps whose outputs an earlier run has made by others."""
        config = self.use_case.model_dump(mode="json")
        config["download"]["source"] = redact(config["download"]["source"])
        drift = config["check_data"]["drift"]
        if declared := drift["reference"]:  # to be found again from any folder, and no secret of a URL kept
            drift["reference"] = os.path.abspath(declared) if parse(declared).kind == "path" else redact(declared)
        return {key: value for key, value in config.items() if key not in tasks("train") or key in self.chosen}

    def write(self, summary: dict[str, Any], config: dict[str, Any]) -> None:
        """Writes the run's folder, with the model; `latest` then leads there."""
        if summary["model"]:
            link_tree(Path(self.outputs["train"]["model"].path), Path(summary["model"]))
        super().write(summary, config)
        if summary["state"] == "succeeded" and summary["model"]:
            point(self.workspace.root / "latest", self.folder)

    def track(self, wait: bool) -> None:
        """Lets MLflow have the run, by the tracker in the warm process where there is one."""
        if wait:
            self._start_tracker()
        if self.tracking is None or self.warm is None:
            super().track(wait)
            return
        ended = self.warm.wait(self.tracking, TRACKING_PATIENCE)
        if ended is None:  # a large model on its way to a server far off, say
            self.warm.stop()
            super().track(False)
            self.screen.say("  MLflow is still being written, in the background")
        elif ended["exit"]:
            self.screen.say("  MLflow could not be written; the next run or `make ui` tries again")

    def _fingerprint(self, parameters: dict[str, str]) -> str:
        """What stands for all that a run hangs on."""
        return hashlib.sha256(json.dumps([parameters, self.code["images"]], sort_keys=True).encode()).hexdigest()

    def _champion(self) -> str:
        """How things stand with the use case's champion."""
        store = open_store()
        return mark(store, standing(store, self.name))

    def _frozen_source(self) -> bool:
        """Whether the source need not be looked at, since download does not run."""
        chosen = self.options.steps or ([self.options.start] if self.options.start else ["download"])
        return "download" not in chosen

    def _launched(self, step: str) -> None:
        """Lets the tracker work beside the longest step, once what that step needs is loaded."""
        if step == "train":
            self._start_tracker()

    def _start_tracker(self) -> None:
        if self.tracking is None and self.warm is not None:
            folder = str(spool(self.run_id))
            self.tracking = self.warm.start(TRACKER, ["tabpipe.tracking.tracker", folder], self.log("tracker"), {})

    def _ended(self, step: str, key: str, outputs: dict[str, Any], cached: bool) -> None:
        self.outputs[step] = outputs
        if step in self.chosen:
            self.workspace.remember(step, key, self.parents[step])
        if step == "download" and step in self.chosen:
            self.workspace.note_checksum(self.checksum)
        for value in outputs.values():
            if getattr(value, "schema_title", "") == "system.HTML":
                self.keep_page(step, Path(value.uri), cached)
        if step == "check_data" and step in self.chosen:
            accepted = outputs["accepted"]
            self.workspace.accept(self.checksum, Path(accepted.path), accepted.metadata["digest"], self.reference)
        self.succeeded(step, key, outputs, cached)

    def _failed(self, step: str, code: int, folder: Path) -> None:
        log = self.log(step)
        self.error = failure(step, code, log)
        report = folder / "report"
        if report.is_file():
            self.error = self.error.replace(str(report), shorter(self.keep_page(step, report)))
        self.screen.ended(step, "failed")


def run(options: Options) -> int:
    """Runs a use case; returns the exit code."""
    run = Run(options, asked_for(options.config, options.source, options.overrides))
    if options.on == "local" and "train" in (options.steps or ["train"]):
        refuse_not_installed(run.use_case.train.model)
    refuse_unknown([*(options.steps or []), *([options.start] if options.start else [])], run.names())
    return run.execute()


def _environment(run: Run) -> dict[str, Any] | None:
    """What a run on this machine was made with; images hold their own."""
    return provenance.environment(packages_of(run.use_case.train.model)) if run.on == "local" else None


def summarise(run: Run, state: str) -> dict[str, Any]:
    """The document that `--json` prints and summary.json keeps.

    Args:
        run: A run that has ended.
        state: succeeded, failed or interrupted.
    """
    metrics = {
        step.scores: {name: logged[name] for name in METRICS if name in logged}
        for step in steps().values()
        if step.scores
        and step.name in run.outputs
        and (logged := run.outputs[step.name]["metrics"].metadata) is not None
    }
    reports = sorted((run.folder / "reports").glob("*.html"))
    return {
        **run.document(state),
        "overrides": [f"{key}={redact(value)}" for key, _, value in (o.partition("=") for o in run.options.overrides)],
        "metrics": metrics,
        "model": str(run.folder / "model") if "train" in run.outputs else None,
        "reports": {path.stem: str(path) for path in reports},
        "environment": _environment(run),
        "reference": run.reference,
        "valid_for": run.valid_for,
        "promotion": _promotion(run.outputs.get("promote")),
        "outputs": provenance.outputs(run.outputs),
    }


def _promotion(outputs: dict[str, Any] | None) -> dict[str, str] | None:
    """What promote decided, and why; None where it did not run."""
    return outputs and {name: str(outputs.get(name, "")) for name in ("decision", "reason")}
