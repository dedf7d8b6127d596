"""Recurring runs, applied declaratively: what is wanted is compared with what is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster.client import NAMESPACE, Cluster, answered
from tabpipe.cluster.submit import Uploaded, tracked_as
from tabpipe.cluster.watch import OVER

_BOUNDS = (("second", 0, 59), ("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))


@dataclass(frozen=True)
class Applied:
    """What was done about a schedule."""

    schedule_id: str
    done: str
    """created, unchanged, replaced or removed."""
    left: int = 0
    """Old ones that are switched off and stay until their running work has ended."""


def cron_of(text: str) -> str:
    """A cron expression of Kubeflow's six fields, the first of which are seconds.

    Args:
        text: Five fields, as everywhere else, or six.

    Raises:
        Refusal: It is neither, or a field is out of its bounds.
    """
    fields = text.split()
    if len(fields) not in (5, 6):
        raise Refusal(
            "not a cron expression",
            where="CRON",
            value=text,
            rule="minute hour day month weekday, or with seconds before them",
            mend='for instance "0 3 * * 1": Mondays at 03:00 UTC',
        )
    six = ["0", *fields] if len(fields) == 5 else fields
    for field, (name, low, high) in zip(six, _BOUNDS, strict=True):
        numbers = [int(number) for number in re.findall(r"(?<!/)\b\d+", field)]
        if not re.fullmatch(r"[\d*/,\-?A-Za-z]+", field) or any(not low <= number <= high for number in numbers):
            raise Refusal(f"the {name} {field!r} is not accepted", where="CRON", value=text, rule=f"{low} to {high}")
    return " ".join(six)


def apply(cluster: Cluster, uploaded: Uploaded, cron: str, parameters: dict[str, str]) -> Applied:
    """Makes the recurring run of a use case what it should be; there is one per use case.

    Kubeflow cannot change a recurring run, and deleting one kills its running work. So a changed one is made anew,
    the old one is switched off, and deleted if it is idle; else a later `apply` or `remove` deletes it.

    Args:
        cluster: Where.
        uploaded: The pipeline's version to run.
        cron: Six fields, UTC.
        parameters: Values instead of the compiled defaults.
    """
    wanted = (uploaded.version_id, cron, dict(parameters))
    with answered(cluster.context):
        present = schedules(cluster, uploaded.use_case)
        same = [one for one in present if _is(one, wanted) and _on(one)]
        if same:
            left = sum(not _drop(cluster, one) for one in present if one is not same[0])
            return Applied(same[0].recurring_run_id, "unchanged", left)
        made = _create(cluster, uploaded, cron, parameters)
        left = sum(not _drop(cluster, one) for one in present)
        return Applied(made, "replaced" if any(map(_on, present)) else "created", left)


def remove(cluster: Cluster, use_case: str) -> Applied:
    """Ends the schedule of a use case; running work is left to end."""
    with answered(cluster.context):
        present = schedules(cluster, use_case)
        if not present:
            raise Refusal("there is no schedule to remove", where=use_case, mend="`make schedules` lists them")
        return Applied("", "removed", sum(not _drop(cluster, one) for one in present))


def schedules(cluster: Cluster, use_case: str | None = None) -> list[Any]:
    """The recurring runs that tabpipe made, newest first: kfp's own objects.

    Args:
        cluster: Where.
        use_case: Those of one use case only.
    """
    found: list[Any] = []
    token = ""
    while True:
        page = cluster.kfp.list_recurring_runs(
            page_token=token, page_size=100, sort_by="created_at desc", namespace=NAMESPACE
        )
        found += page.recurring_runs or []
        token = page.next_page_token
        if not token:
            break
    mine = [one for one in found if (one.description or "").startswith(_MARK)]
    return [one for one in mine if use_case is None or one.display_name == use_case]


_MARK = "applied by tabpipe"


def _is(one: Any, wanted: tuple[str, str, dict[str, str]]) -> bool:
    version, cron, parameters = wanted
    return (
        one.pipeline_version_reference.pipeline_version_id == version
        and one.trigger.cron_schedule.cron == cron
        and ((one.runtime_config and one.runtime_config.parameters) or {}) == parameters
    )


def _on(one: Any) -> bool:
    return one.status == "ENABLED"


def _create(cluster: Cluster, uploaded: Uploaded, cron: str, parameters: dict[str, str]) -> str:
    import kfp_server_api as api

    wanted = api.V2beta1RecurringRun(
        display_name=uploaded.use_case,
        description=f"{_MARK}: version {uploaded.version}",
        experiment_id=uploaded.experiment_id,
        pipeline_version_reference=api.V2beta1PipelineVersionReference(
            pipeline_id=uploaded.pipeline_id, pipeline_version_id=uploaded.version_id
        ),
        runtime_config=api.V2beta1RuntimeConfig(parameters=parameters),
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=cron)),
        mode=api.RecurringRunMode.ENABLE,
        max_concurrency="1",
        no_catchup=True,  # after a cluster was away, one run on the present table, not one for each that was missed
        plugins_input=tracked_as(uploaded.use_case),
    )
    return cluster.kfp._recurring_run_api.recurring_run_service_create_recurring_run(
        recurring_run=wanted
    ).recurring_run_id


def _drop(cluster: Cluster, one: Any) -> bool:
    """Switches a recurring run off, and deletes it if nothing of it runs; tells whether it is gone."""
    if _on(one):
        cluster.kfp.disable_recurring_run(one.recurring_run_id)
    if any(run.state not in OVER for run in runs_of(cluster, one.recurring_run_id)):
        return False
    cluster.kfp.delete_recurring_run(one.recurring_run_id)
    return True


def runs_of(cluster: Cluster, schedule_id: str) -> list[Any]:
    """The latest runs that a recurring run has started, newest first, at most 50."""
    import json

    condition = {"key": "recurring_run_id", "operation": "EQUALS", "string_value": schedule_id}
    page = cluster.kfp.list_runs(
        page_size=50,
        sort_by="created_at desc",
        namespace=NAMESPACE,
        filter=json.dumps({"predicates": [condition]}),
    )
    return [run for run in page.runs or [] if run.recurring_run_id == schedule_id]
