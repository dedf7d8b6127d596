"""`tabpipe run --pipeline score`: one run of the pipeline score on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.common.artifacts import open_store
from components.common.base.redact import redact
from components.common.registry.model_ref import mark_of, version_of
from tabpipe.compile.pipeline_yaml import score_name
from tabpipe.compile.pipelines import score_arguments, score_spec
from tabpipe.config import UseCase, find_config
from tabpipe.project import link_or_copy
from tabpipe.runs.local_run import UnderWay, asked_for
from tabpipe.runs.screen import shorter
from tabpipe.runs.step_messages import failure
from tabpipe.runs.summary import tell_failure
from tabpipe.steps import tasks


class ScoreRun(UnderWay):
    """A run under way. What it leaves is in `USE_CASE/scores/ID`, beside the runs of the training pipeline.

    Args:
        use_case: The config, overrides included.
        name: What the use case is called.
        on: local or docker.
        force: Whether steps run that the cache could serve.
        quiet: Whether stdout is kept for a JSON document.
    """

    pipeline = "score"

    def __init__(self, use_case: UseCase, name: str, on: str = "local", force: bool = False, quiet: bool = False):
        super().__init__(use_case, name, score_name(name), "scores", on, quiet)
        self.force = force
        self.model = ""

    def names(self) -> list[str]:
        """All steps of the pipeline."""
        return tasks("score")

    def run_steps(self) -> bool:
        """Finds what the source holds and who is meant, and lets the engine run the steps."""
        self.find_source()
        self.model = mark_of(version_of(open_store(), self.name, self.use_case.predict.model))
        self.warmed()

        from tabpipe.engines.kfp_local import run_pipeline

        execution = self.execution(
            self.names(),
            [self.use_case.download.source],
            forced=frozenset(self.names() if self.force else ()),
            on_end=self._ended,
            on_fail=self._failed,
        )
        parameters = {
            **score_arguments(self.use_case, self.name),
            "checksum": self.checksum,
            "model": self.model,
        }
        return run_pipeline(score_spec(model=self.use_case.train.model), parameters, execution, self.log("engine"))

    def summary(self, state: str) -> dict[str, Any]:
        """The document that `--json` prints and summary.json keeps."""
        predicted = self.outputs.get("predict", {})
        rejects, report = self.folder / "rejects.parquet", self.folder / "reports" / "predict.html"
        return {
            **self.document(state),
            "pipeline": self.pipeline,
            "model": self.model.partition(" ")[0] or None,
            "metrics": {"score": dict(predicted["metrics"].metadata)} if predicted else {},
            "predictions": str(self.folder / "predictions.parquet") if predicted else None,
            "rejects": str(rejects) if rejects.is_file() else None,
            "reports": {"predict": str(report)} if report.is_file() else {},
        }

    def config(self) -> dict[str, Any]:
        """The sections of the steps."""
        config = {name: json.loads(text) for name, text in score_arguments(self.use_case, self.name).items()}
        config["download"]["source"] = redact(config["download"]["source"])
        return config

    def tell(self, summary: dict[str, Any]) -> None:
        """Prints how many rows were answered and where they are, or what went wrong."""
        if summary["state"] != "succeeded":
            tell_failure(self)
            return
        say, counts = self.screen.say, summary["metrics"]["score"]
        say(f"\n  {counts['answered']:,.0f} of {counts['rows']:,.0f} rows answered by {summary['model']}")
        if counts["refused"]:
            say(f"  {counts['refused']:,.0f} refused: {shorter(summary['rejects'])}")
        say(f"\n  table    {shorter(summary['predictions'])}\n  report   {shorter(summary['reports']['predict'])}")
        say(f"  {summary['seconds']:.2f} s; `make ui` shows all runs")

    def _ended(self, step: str, key: str, outputs: dict[str, Any], cached: bool) -> None:
        self.outputs[step] = outputs
        if step == "predict":
            self.keep_page("predict", Path(outputs["report"].path), cached)
            for name in ("predictions", "rejects"):
                if name == "predictions" or outputs["metrics"].metadata.get("refused"):
                    link_or_copy(Path(outputs[name].path), self.folder / f"{name}.parquet")
        self.succeeded(step, key, outputs, cached)

    def _failed(self, step: str, code: int, folder: Path) -> None:
        self.error = failure(step, code, self.log(step))
        for name, kept in (("report", "reports/predict.html"), ("rejects", "rejects.parquet")):
            if (made := folder / name).is_file():
                link_or_copy(made, self.folder / kept)
                self.error = self.error.replace(str(made), shorter(self.folder / kept))
        self.screen.ended(step, "failed")


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
    use_case = asked_for(config, source, overrides or [])
    return ScoreRun(use_case, find_config(config).stem, on, force, as_json).execute()
