"""The commands that look back: runs, reproduce, checkout."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from tabpipe.console import document, say

_RUN = "an id or its beginning, latest, a tag or commit; USE_CASE:latest, USE_CASE:v1.2.0"


def add(commands: Any) -> None:
    """Adds the commands to the command line."""
    runs = commands.add_parser(
        "runs", help="list, show and compare runs", description="What earlier runs were and how they differ."
    )
    inner = runs.add_subparsers(title="commands", required=True)

    listed = inner.add_parser("list", help="list runs, the newest first", epilog="example: tabpipe runs list iris")
    listed.add_argument("use_case", nargs="?", metavar="USE_CASE", help="of this use case only")
    _common(listed).set_defaults(command=_list)

    shown = inner.add_parser("show", help="tell all about a run", epilog="example: tabpipe runs show iris:latest")
    shown.add_argument("run", metavar="RUN", help=_RUN)
    _common(shown).set_defaults(command=_show)

    diff = inner.add_parser(
        "diff",
        help="tell what differs between two runs: parameters, metrics, data, code",
        epilog="example: tabpipe runs diff 20261121-0803 iris:latest --plots diff.html",
    )
    diff.add_argument("a", metavar="A", help=_RUN)
    diff.add_argument("b", metavar="B", help=_RUN)
    diff.add_argument("--plots", type=Path, metavar="FILE", help="write a page with the curves of both, HTML")
    _common(diff).set_defaults(command=_diff)

    again = commands.add_parser(
        "reproduce",
        help="make a run again from its commit, config and data, and compare",
        epilog="example: tabpipe reproduce iris:latest",
        description="Exit code 0 if every metric and every output is equal to the last digit, 1 if one differs.",
    )
    again.add_argument("run", metavar="RUN", help=_RUN)
    again.add_argument("--on", choices=("local", "docker"), help="where steps run (default: local)")
    again.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what the rerun makes there, an empty folder")
    _common(again).set_defaults(command=_reproduce)

    brought = commands.add_parser(
        "checkout",
        help="bring the data and the model of a run to a folder",
        epilog="example: tabpipe checkout iris:latest /tmp/iris",
    )
    brought.add_argument("run", metavar="RUN", help=_RUN)
    brought.add_argument("destination", type=Path, metavar="DEST", help="a folder that is empty or not there yet")
    _common(brought).set_defaults(command=_checkout)


def _common(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--cluster", action="store_true", help="runs on the cluster that KUBECONFIG points at")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def _runs(options: argparse.Namespace) -> Any:
    """Where runs are looked for: what has `kept_runs` and `find`."""
    if options.cluster:
        from tabpipe.cluster.client import connect
        from tabpipe.cluster.remote_runs import Runs

        return Runs(connect())
    from tabpipe.runs import find

    return find


def _list(options: argparse.Namespace) -> int:
    from tabpipe.runs import listing

    runs = _runs(options).kept_runs(options.use_case)
    if options.json:
        document(listing.list_document(runs))
    else:
        make = "tabpipe submit iris" if options.cluster else "tabpipe run iris"
        say(listing.list_lines(runs) if runs else [f"  no run is kept here; make one: {make}"])
    return 0


def _show(options: argparse.Namespace) -> int:
    from tabpipe.runs import listing

    run = _runs(options).find(options.run)
    if options.json:
        document(listing.show_document(run))
    else:
        say(listing.show_lines(run))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from tabpipe.runs import diff as differences

    runs = _runs(options)
    a, b = runs.find(options.a), runs.find(options.b)
    if options.plots:
        from tabpipe.runs.diff_plots import write

        write(options.plots, a, b)
    if options.json:
        document(differences.differences(a, b))
    else:
        say(differences.lines(a, b) + ([f"\n  {options.plots}"] if options.plots else []))
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from components.common.base.errors import Refusal

    if options.cluster and (options.on or options.keep):
        where = "--on" if options.on else "--keep"
        raise Refusal("a rerun on the cluster runs and keeps its outputs there", where=where, mend=f"leave {where} out")
    runs = _runs(options)
    run = runs.find(options.run)
    if options.cluster:
        from tabpipe.cluster.reproduce import reproduce as reproduce_there

        return reproduce_there(runs, run, options.json)
    from tabpipe.runs.reproduce import reproduce

    return reproduce(run, on=options.on or "local", keep=options.keep, as_json=options.json)


def _checkout(options: argparse.Namespace) -> int:
    from tabpipe.runs import download_run

    runs, fill = _runs(options), None
    if options.cluster:
        from tabpipe.cluster.download_run import fill_from

        fill = partial(fill_from, runs.cluster)
    brought = download_run.bring(runs.find(options.run), options.destination, fill)
    if options.json:
        document(brought)
    else:
        say(download_run.lines(brought))
    return 0
