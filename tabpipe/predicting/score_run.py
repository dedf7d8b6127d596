"""`tabpipe run --pipeline score`: one run of the pipeline score on this machine."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from components.common.artifacts import default_url, open_store
from components.common.batch.stored import mark_of, version_of
from components.common.errors import Refusal, no_space
from components.common.sources import in_words, parse, redact, resolve
from components.common.step import PROGRESS
from tabpipe import mlflow_store, spool
from tabpipe.compiling import score_name
from tabpipe.config import UseCase, find_config, load
from tabpipe.engines import warm
from tabpipe.history import provenance
from tabpipe.images import SCORE_STEPS, image_of
from tabpipe.pipelines import score_arguments, score_spec
from tabpipe.screen import Screen, error_lines, shorter
from tabpipe.words import failure, note
from tabpipe.workspace import home, link_or_copy, usable_home, write_json

ENDED_BY_SIGNAL = 130
_CODES = {"succeeded": 0, "interrupted": ENDED_BY_SIGNAL}


class ScoreRun:
    """A run under way. What it leaves is in `USE_CASE/scores/ID`, beside the runs of the training pipeline.

    Args:
        use_case: The config, overrides included.
        name: What the use case is called.
        on: local or docker.
        force: Whether steps run that the cache could serve.
        quiet: Whether stdout is kept for a JSON document.
    """

    def __init__(self, use_case: UseCase, name: str, on: str = "local", force: bool = False, quiet: bool = False):
        self.use_case, self.name, self.on, self.force, self.quiet = use_case, name, on, force, quiet
        self.started = time.time()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self.started))
        self.run_id = f"{stamp}-{os.urandom(2).hex()}"
        self.folder = home() / name / "scores" / self.run_id
        self.screen = Screen(sys.stderr if quiet else sys.stdout, self._log)
        self.outputs: dict[str, dict[str, Any]] = {}
        self.error: str | None = None
        self.checksum = self.model = ""
        self._warmed: warm.Warm | None = None

    def execute(self) -> int:
        """Runs the pipeline, tells of it on the screen and in MLflow; returns the exit code."""
        source = shorter(redact(self.use_case.download.source))
        self.screen.say(f"{self.name} · score · {source} · run {self.run_id}")
        self.screen.open(SCORE_STEPS)
        state = "failed"
        with ExitStack() as stack:
            stack.callback(lambda: self._warmed and self._warmed.stop())
            stack.callback(self.screen.close)
            try:
                spool.begin(self.run_id, score_name(self.name), self.started)
                state = "succeeded" if self._steps() else "failed"
            except Refusal as refusal:
                self._fail_running(str(refusal), state)
            except KeyboardInterrupt:
                self._fail_running("interrupted", state := "interrupted")
            except OSError as error:
                if (message := no_space(error)) is None:
                    raise
                self._fail_running(message, state)
            self.screen.close()
            summary = self._summary(state)
            self._close(summary)
        self._tell(summary)
        return _CODES.get(state, 1)

    def _steps(self) -> bool:
        """Finds what the source holds and who is meant, and lets the engine run the steps."""
        self.screen.started("download")
        source = self.use_case.download.source
        self.checksum = resolve(source, home() / "store", in_words(self._progress)).checksum
        self.use_case.download.source = redact(source)  # from here on, the bytes are known by their checksum
        self.model = mark_of(version_of(open_store(), self.name, self.use_case.predict.model))
        if self.on == "local" and warm.available():
            self._warmed = warm.Warm(self._log("engine"))

        from tabpipe.engines.local import Execution, run_pipeline

        execution = Execution(
            root=home() / "kfp",
            log=self._log,
            spool=spool.spool(self.run_id),
            warm=lambda: self._warmed,
            docker=self._docker() if self.on == "docker" else None,
            env={
                "TABPIPE_STORE": str(home() / "store"),
                "TABPIPE_ARTIFACTS": default_url(),
                "TABPIPE_USE_CASE": score_name(self.name),
                "TABPIPE_RUN": self.run_id,
                "MLFLOW_TRACKING_URI": mlflow_store.tracking_uri(),
            },
            forced=frozenset(SCORE_STEPS if self.force else ()),
            on_start=self.screen.started,
            on_end=self._ended,
            on_fail=self._failed,
        )
        parameters = {
            **score_arguments(self.use_case, self.name),
            "checksum": self.checksum,
            "model": self.model,
        }
        return run_pipeline(score_spec(), parameters, execution, self._log("engine"))

    def _docker(self) -> Any:
        from tabpipe.builder import build
        from tabpipe.engines.docker_steps import runner

        build(SCORE_STEPS)
        address, artifacts = parse(self.use_case.download.source), default_url()
        write = [home()]
        if "://" not in artifacts and not Path(artifacts).is_relative_to(home()):
            write.append(Path(artifacts))
        return runner(write, [Path(address.target).absolute()] if address.kind == "path" else [])

    def _log(self, step: str) -> Path:
        return self.folder / "logs" / f"{step}.log"

    def _progress(self, text: str) -> None:
        log = self._log("download")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as file:
            file.write(f"{PROGRESS}{text}\n")

    def _ended(self, step: str, key: str, outputs: dict[str, Any], cached: bool) -> None:
        self.outputs[step] = outputs
        if step == "predict":
            link_or_copy(Path(outputs["report"].path), self.folder / "reports" / "predict.html")
            for name in ("predictions", "rejects"):
                if name == "predictions" or outputs["metrics"].metadata.get("refused"):
                    link_or_copy(Path(outputs[name].path), self.folder / f"{name}.parquet")
        self.screen.ended(step, "succeeded", key=key, cached=cached, note=note(step, outputs))

    def _failed(self, step: str, code: int, folder: Path) -> None:
        self.error = failure(step, code, self._log(step))
        for name, kept in (("report", "reports/predict.html"), ("rejects", "rejects.parquet")):
            if (made := folder / name).is_file():
                link_or_copy(made, self.folder / kept)
                self.error = self.error.replace(str(made), shorter(self.folder / kept))
        self.screen.ended(step, "failed")

    def _fail_running(self, message: str, state: str) -> None:
        self.error = self.error or message
        for step in self.screen.steps.values():
            if step.state == "running":
                self.screen.ended(step.name, state)

    def _summary(self, state: str) -> dict[str, Any]:
        predicted = self.outputs.get("predict", {})
        rejects, report = self.folder / "rejects.parquet", self.folder / "reports" / "predict.html"
        return {
            "run_id": self.run_id,
            "use_case": self.name,
            "pipeline": "score",
            "state": state,
            "started": self.started,
            "seconds": round(time.time() - self.started, 3),
            "source": redact(self.use_case.download.source),
            "checksum": self.checksum,
            "model": self.model.partition(" ")[0] or None,
            "steps": [
                {"name": step.name, "state": step.state, "seconds": step.seconds, "cached": step.cached}
                for step in self.screen.steps.values()
            ],
            "metrics": {"score": dict(predicted["metrics"].metadata)} if predicted else {},
            "predictions": str(self.folder / "predictions.parquet") if predicted else None,
            "rejects": str(rejects) if rejects.is_file() else None,
            "reports": {"predict": str(report)} if report.is_file() else {},
            "engine": self.on,
            "code": provenance.code({name: image_of(name) for name in SCORE_STEPS}),
            "error": self.error,
        }

    def _close(self, summary: dict[str, Any]) -> None:
        """Writes the run's folder, and lets MLflow have it."""
        config = {name: json.loads(text) for name, text in score_arguments(self.use_case, self.name).items()}
        config["download"]["source"] = summary["source"]
        write_json(self.folder / "config.json", config)
        write_json(self.folder / "summary.json", summary)
        steps = [vars(step) for step in self.screen.steps.values() if step.state in ("succeeded", "failed")]
        spool.end(summary, config, steps, self.folder)
        ran = any(step["state"] == "succeeded" and not step["cached"] for step in steps)
        spool.track_apart(self.run_id, self._log("tracker"), summary["state"] == "succeeded" and ran)

    def _tell(self, summary: dict[str, Any]) -> None:
        say = self.screen.say
        if summary["state"] == "succeeded":
            counts = summary["metrics"]["score"]
            say(f"\n  {counts['answered']:,.0f} of {counts['rows']:,.0f} rows answered by {summary['model']}")
            if counts["refused"]:
                say(f"  {counts['refused']:,.0f} refused: {shorter(summary['rejects'])}")
            say(f"\n  table    {shorter(summary['predictions'])}\n  report   {shorter(summary['reports']['predict'])}")
            say(f"  {summary['seconds']:.2f} s; `make ui` shows all runs")
        else:
            logs = shorter(self.folder / "logs")
            print(f"\n{error_lines(self.error or 'failed')}\n  logs:  {logs}", file=sys.stderr)
        if self.quiet:
            print(json.dumps(summary))


def score(
    config: str,
    source: str | None = None,
    overrides: list[str] | None = None,
    *,
    on: str = "local",
    force: bool = False,
    as_json: bool = False,
) -> int:
    """Runs the pipeline score of a use case; returns the exit code.

    Args:
        config: A use case under config/, or a YAML file.
        source: The table, instead of the config's own.
        overrides: `dotted.name=value`.
        on: local or docker.
        force: Whether steps run that the cache could serve.
        as_json: Whether to print one JSON document on stdout.
    """
    more = [] if source is None else [f"download.source={json.dumps(source)}"]
    use_case = load(config, [*(overrides or []), *more])
    usable_home()
    address = parse(use_case.download.source)
    if address.kind == "path":
        use_case.download.source = os.path.abspath(address.target)  # a step may run in another folder
    return ScoreRun(use_case, find_config(config).stem, on, force, as_json).execute()
