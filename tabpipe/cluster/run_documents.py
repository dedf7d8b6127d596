"""What Kubeflow tells of a run, made into the document that a run of this machine keeps as its summary."""

from __future__ import annotations

from typing import Any

from tabpipe.cluster.metadata import Made
from tabpipe.cluster.watch import OVER
from tabpipe.runs.find import Kept


def document(
    run: dict[str, Any], spec: dict[str, Any], version: str, made: list[Made], metrics: dict[str, dict[str, float]]
) -> Kept:
    """A run on the cluster as runs of this machine are.

    Args:
        run: What Kubeflow says of it.
        spec: Its pipeline; empty where that is deleted.
        version: The name of the pipeline's version; empty where it has none.
        made: Its steps' outputs.
        metrics: `validation` and `test`.
    """
    config = config_of(spec, parameters_of(run))
    summary = {
        **brief(run),
        "source": config.get("download", {}).get("source"),
        "checksum": next((one.metadata["source_sha256"] for one in made if "source_sha256" in one.metadata), None),
        "steps": _steps(run, spec, made),
        "metrics": metrics,
        "engine": "cluster",
        "code": {"commit": None, "clean": None, "at": None, "version": version or None, "images": images_of(spec)},
        "environment": None,  # the images hold it
        "outputs": outputs_of(made),
        "error": (run.get("error") or {}).get("message"),
    }
    return Kept(None, summary, config)


def config_of(spec: dict[str, Any], parameters: dict[str, Any]) -> dict[str, Any]:
    """The sections that a run's steps worked with: those that its pipeline was compiled with, and what the run gave.

    Args:
        spec: The pipeline.
        parameters: The run's own values.
    """
    from components.common.config.overlay import settings_of

    config = {}
    for task in tasks_of(spec).values():
        inputs = task.get("inputs", {}).get("parameters", {})
        for key, given in inputs.items():
            name = given.get("componentInputParameter")
            whole = inputs.get("defaults" if key == "section" else f"{key}_defaults", {})
            compiled = whole.get("runtimeValue", {}).get("constant")
            if name and compiled:
                config[name] = settings_of(parameters.get(name) or {}, compiled)
    return config


def tasks_of(spec: dict[str, Any]) -> dict[str, Any]:
    """A pipeline's tasks by their names, which are the steps' with dashes."""
    return _pipeline(spec).get("root", {}).get("dag", {}).get("tasks", {})


def images_of(spec: dict[str, Any]) -> dict[str, str]:
    """Step to the image that a pipeline names for it."""
    executors = _pipeline(spec).get("deploymentSpec", {}).get("executors", {})
    images = {
        label.removeprefix("exec-").replace("-", "_"): executor.get("container", {}).get("image")
        for label, executor in executors.items()
    }
    return {step: image for step, image in images.items() if image}


def outputs_of(made: list[Made]) -> dict[str, dict[str, dict[str, Any]]]:
    """Step to output to `digest`, `path` (its address) and, of a table, `rows`; of those that were given a digest."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for one in made:
        if digest := one.metadata.get("digest"):
            rows = {"rows": int(one.metadata["rows"])} if "rows" in one.metadata else {}
            found.setdefault(one.step, {})[one.name] = {"digest": digest, "path": one.uri, **rows}
    return {step: dict(sorted(outputs.items())) for step, outputs in found.items()}


def brief(run: dict[str, Any]) -> dict[str, Any]:
    """What Kubeflow says of a run without being asked for more."""
    started, ended = run["created_at"].timestamp(), run.get("finished_at")
    return {
        "run_id": run["run_id"],
        "use_case": use_case_of_run(run),
        "state": state_of(run),
        "started": started,
        "seconds": max(ended.timestamp() - started, 0.0) if ended is not None else 0.0,
    }


def state_of(run: dict[str, Any]) -> str:
    """A run's or a task's state, as runs of this machine have it."""
    return OVER.get(run.get("state") or "", (run.get("state") or "pending").lower())


def use_case_of_run(run: dict[str, Any]) -> str:
    """The use case's own name, or of a run that was sent by other means the pipeline's, which is made of it."""
    named = ((run.get("plugins_input") or {}).get("mlflow") or {}).get("experiment_name")
    return named or _pipeline(run.get("pipeline_spec") or {}).get("pipelineInfo", {}).get("name") or run["display_name"]


def parameters_of(run: dict[str, Any]) -> dict[str, Any]:
    """The values that a run was given instead of the compiled defaults."""
    return (run.get("runtime_config") or {}).get("parameters") or {}


def _pipeline(spec: dict[str, Any]) -> dict[str, Any]:
    """The pipeline itself, of a file that may also say how Kubernetes is to run it."""
    return spec.get("pipeline_spec", spec)


def _steps(run: dict[str, Any], spec: dict[str, Any], made: list[Made]) -> list[dict[str, Any]]:
    """The steps that have begun, in the order in which they did: name, state, seconds, whether the cache served."""
    cached = {one.step for one in made if one.cached}
    tasks = {task["display_name"]: task for task in (run.get("run_details") or {}).get("task_details") or []}
    found = []
    for name in tasks_of(spec):
        task, driver = tasks.get(name), tasks.get(f"{name}-driver")
        begun = task if task and task["state"] != "SKIPPED" else driver
        if begun and begun.get("start_time"):
            first = (driver or begun)["start_time"]
            last = begun.get("end_time")
            seconds = max(0.0, (last - first).total_seconds()) if last else 0.0
            step = name.replace("-", "_")
            found.append(
                (first, {"name": step, "state": state_of(begun), "seconds": seconds, "cached": step in cached})
            )
    return [step for _, step in sorted(found, key=lambda pair: pair[0])]
