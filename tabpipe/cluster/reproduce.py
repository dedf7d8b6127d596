"""`reproduce --cluster`: a run on the cluster made again by the same images, nothing cached, and compared."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster import run_report
from tabpipe.cluster.client import answered
from tabpipe.cluster.remote_runs import Runs
from tabpipe.cluster.run_documents import parameters_of, tasks_of
from tabpipe.cluster.submit import tracked_as
from tabpipe.cluster.watch import Watch
from tabpipe.console import document, progress, say
from tabpipe.runs.find import Kept
from tabpipe.runs.reproduce import compared, lines
from tabpipe.steps import decides


def reproduce(runs: Runs, run: Kept, as_json: bool) -> int:
    """Makes a run again and compares; returns 0 if every metric and output is equal, else 1.

    Args:
        runs: Those of the cluster.
        run: One of them.
        as_json: Whether to print a JSON document.

    Raises:
        Refusal: The run did not end well, or its pipeline or its outputs are gone.
    """
    about = runs.told(run.run_id)
    _refuse_unfit(run, about)
    spec = uncached(about["spec"])
    run_id = _start(runs, run, about, spec)
    watch = Watch(runs.cluster, run_id, [name.replace("-", "_") for name in tasks_of(spec)], quiet=as_json)
    watch.screen.say(f"{run.use_case} · {runs.cluster.context} · {run.run_id} again · run {run_id}")
    try:
        outcome = watch.until_over()
    except KeyboardInterrupt:
        said = "\n".join(["  not watched any more; the run goes on", *run_report.links(runs.cluster, run_id, {})])
        progress(said)
        raise
    again = runs.one(run_id)
    again.summary["error"] = outcome.error or again.summary["error"]
    found = {**compared(run, again, _notes(run, again)), "code": None}
    if as_json:
        document(found)
    else:
        say(lines(run, found))
    return 0 if found["equal"] else 1


def uncached(spec: dict[str, Any]) -> dict[str, Any]:
    """A pipeline whose steps all run, and without those that decide: a look back moves no champion."""
    changed = deepcopy(spec)
    tasks = tasks_of(changed)
    needed = {name for task in tasks.values() for name in task.get("dependentTasks", [])}
    for name in [name for name in tasks if decides(name.replace("-", "_")) and name not in needed]:
        del tasks[name]
    for task in tasks.values():
        task["cachingOptions"] = {"enableCache": False}
    return changed


def _start(runs: Runs, run: Kept, about: dict[str, Any], spec: dict[str, Any]) -> str:
    import kfp_server_api as api

    wanted = api.V2beta1Run(
        display_name=f"{run.use_case} {time.strftime('%Y-%m-%d %H:%M:%S')}, {run.run_id[:8]} again",
        experiment_id=about["experiment_id"],
        pipeline_spec=spec,
        runtime_config=api.V2beta1RuntimeConfig(parameters=parameters_of(about)),
        plugins_input=tracked_as(run.use_case),
    )
    with answered(runs.cluster.context):
        return runs.cluster.kfp._run_api.run_service_create_run(run=wanted).run_id


def _refuse_unfit(run: Kept, about: dict[str, Any]) -> None:
    where = f"run {run.run_id}"
    if run.summary["state"] != "succeeded":
        state = run.summary["state"]
        said = state if state == "failed" else f"is {state}"
        raise Refusal(f"it {said}", where=where, rule="a run that ended well can be reproduced")
    if not about["spec"]:
        raise Refusal("its pipeline was deleted from the cluster", where=where, mend="submit it anew")
    if not run.outputs:
        raise Refusal("the cluster knows no outputs of it", where=where, mend="submit it anew")


def _notes(run: Kept, again: Kept) -> list[str]:
    """What is worth knowing where results differ: a rerun reads what the source holds now."""
    then, now = run.summary["checksum"], again.summary["checksum"]
    noted = [f"{run.summary['source']} holds other bytes now: {then} then, {now} now"] if then != now else []
    if not run.metrics:
        noted.append("the run has no metrics: they were not tracked")
    return noted
