"""The commands that send runs to the cluster: submit, schedule, schedules."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.base.errors import Refusal
from tabpipe.console import columns, error, progress

if TYPE_CHECKING:
    from tabpipe.cluster.client import Cluster
    from tabpipe.cluster.submit import Uploaded

FOLDER = Path("build/submitted")


def add(commands: Any) -> None:
    """Adds the commands to the command line."""
    submit = commands.add_parser(
        "submit",
        help="run a pipeline on the cluster and watch it",
        epilog="example: tabpipe submit nyc_rentals --source s3://tabpipe/rentals.parquet train.n_estimators=200",
    )
    _use_case(submit)
    submit.add_argument(
        "--at", metavar="REF", help="with the code of a tag or commit, or of URL@REF; the working tree stays as it is"
    )
    submit.add_argument("--no-wait", action="store_true", help="do not watch it")
    submit.add_argument("--json", action="store_true", help="print one JSON document on stdout, progress on stderr")
    submit.set_defaults(command=_submit)

    schedule = commands.add_parser(
        "schedule",
        help="run a pipeline on the cluster again and again",
        epilog='example: tabpipe schedule nyc_rentals --cron "0 3 * * 1"',
    )
    _use_case(schedule)
    schedule.add_argument(
        "--cron", required=True, help='minute hour day month weekday, UTC; or "off" to end the schedule'
    )
    schedule.set_defaults(command=_schedule)

    listed = commands.add_parser(
        "schedules", help="list what runs again and again on the cluster", epilog="example: tabpipe schedules"
    )
    listed.set_defaults(command=_schedules)


def _use_case(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", help="a use case under config/, or a YAML file")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="dotted.name=value")
    parser.add_argument(
        "--pipeline", choices=("train", "score"), default="train", help="score: let the champion answer the table"
    )
    parser.add_argument(
        "--source",
        help="table to use: a path (a file or a folder of part files is sent to the cluster's MinIO), "
        "an http(s):// or s3:// URL, or sample://NAME",
    )
    parser.add_argument(
        "--registry", help="what stands before the images' names (default: the cluster's own registry, if it has one)"
    )


def _upload(options: argparse.Namespace, again: bool = False) -> tuple[Cluster, Uploaded, list[str]]:
    """Reaches the cluster and uploads the use case, which is to run once or again and again.

    Returns:
        The cluster, what was uploaded, and the names of the pipeline's steps.
    """
    import json

    from components.common.sources import parse
    from tabpipe.cluster.client import connect
    from tabpipe.cluster.store import keep_source
    from tabpipe.cluster.submit import own_registry, upload
    from tabpipe.config import find_config, load
    from tabpipe.steps import tasks, wanted_by

    overrides = list(options.overrides)
    if options.source is not None:
        overrides.append(f"download.source={json.dumps(options.source)}")
    use_case = load(options.config, overrides)
    source = parse(use_case.download.source)
    if source.kind == "path" and again:
        raise Refusal(
            "the source is a file of this machine",
            where="download.source",
            value=use_case.download.source,
            rule="a schedule reads its source anew each time: an s3:// or http(s):// URL, or sample://NAME",
            mend="put the table where the cluster reads it, for instance into the bucket tabpipe of its MinIO",
        )
    cluster = connect()
    if source.kind == "path":
        use_case.download.source = keep_source(cluster, source.target, progress)
    registry = own_registry(cluster) if options.registry is None else options.registry
    name = find_config(options.config).stem
    uploaded = upload(cluster, use_case, name, registry, FOLDER, options.pipeline)
    return cluster, uploaded, wanted_by(use_case, tasks(options.pipeline, on_cluster=True))


def _submit(options: argparse.Namespace) -> int:
    from tabpipe.cluster import run_report
    from tabpipe.cluster.score_result import lines as scored_lines
    from tabpipe.cluster.score_result import scored_of
    from tabpipe.cluster.submit import start
    from tabpipe.cluster.watch import Watch
    from tabpipe.runs.screen import metrics_table

    if options.at is not None and options.pipeline != "train":
        raise Refusal("the pipeline score runs with the code that is here", where="--at")
    if options.at is not None:
        from tabpipe.runs.at_release import become

        become(options, "submit")
    cluster, uploaded, steps = _upload(options)
    run_id = start(cluster, uploaded, {})
    watch = Watch(cluster, run_id, steps, quiet=options.json)
    say = watch.screen.say
    say(f"{uploaded.use_case} · {cluster.context} · version {uploaded.version} · run {run_id}")
    if options.no_wait:
        say("\n".join(run_report.links(cluster, run_id, {})))
        return 0
    try:
        outcome = watch.until_over()
    except KeyboardInterrupt:
        say("\n".join(["  not watched any more; the run goes on", *run_report.links(cluster, run_id, {})]))
        raise
    metrics = run_report.metrics_of(cluster, outcome)
    if table := metrics_table(metrics, None):
        say("\n".join(["", *table, ""]))
    training = options.pipeline == "train"
    promotion = run_report.promotion_of(cluster, outcome) if training else None
    scored = None if training else scored_of(cluster, run_id)
    if promotion:
        say(f"  promote  {promotion['reason']}")
    if scored:
        say("\n".join(scored_lines(scored, uploaded.use_case)))
    say("\n".join(run_report.links(cluster, run_id, run_report.tracked(outcome))))
    if outcome.state != "succeeded":
        progress("")
        error(outcome.error or f"the run was {outcome.state}")
    if options.json:
        print(run_report.document(run_id, uploaded, outcome, metrics, promotion, scored))
    return 0 if outcome.state == "succeeded" else 1


def _schedule(options: argparse.Namespace) -> int:
    from tabpipe.cluster.client import connect
    from tabpipe.cluster.schedules import apply, cron_of, remove
    from tabpipe.compile.pipeline_yaml import score_name
    from tabpipe.config import find_config

    if options.cron == "off":
        name = find_config(options.config).stem
        if options.pipeline == "score":
            name = score_name(name)
        done = remove(connect(), name)
        print(f"  {name}  {done.done}")
    else:
        cron = cron_of(options.cron)
        cluster, uploaded, _ = _upload(options, again=True)
        name, done = uploaded.use_case, apply(cluster, uploaded, cron, {})
        print(f"  {name}  {done.done}  cron {cron} (UTC, seconds first)  version {uploaded.version}")
    if done.left:
        print(f"  {done.left} earlier one is switched off; it goes once its running work has ended")
    return 0


def _schedules(options: argparse.Namespace) -> int:
    from tabpipe.cluster.client import answered, connect
    from tabpipe.cluster.schedules import runs_of, schedules

    cluster = connect()
    with answered(cluster.context):
        rows = [
            (
                one.display_name,
                one.trigger.cron_schedule.cron,
                "on" if one.status == "ENABLED" else "off",
                (one.description or "").rpartition(" ")[2],
                _latest(runs_of(cluster, one.recurring_run_id)),
            )
            for one in schedules(cluster)
        ]
    if not rows:
        print("  nothing is scheduled; for instance: make schedule CONFIG=nyc_rentals CRON='0 3 * * 1'")
        return 0
    print("\n".join(columns(("use case", "cron (UTC)", "state", "version", "latest run"), rows)))
    return 0


def _latest(runs: list[Any]) -> str:
    return f"{runs[0].created_at:%Y-%m-%d %H:%M} {runs[0].state.lower()}" if runs else "none yet"
