"""The commands that look back: runs, reproduce, checkout."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

_RUN = "an id or its beginning, latest, a tag or commit; USE_CASE:latest, USE_CASE:v1.2.0"


def add(commands: Any) -> None:
    """Adds the commands to the command line."""
    runs = commands.add_parser(
        "runs", help="list, show and compare runs", description="What runs of this machine were and how they differ."
    )
    inner = runs.add_subparsers(title="commands", required=True)

    listed = inner.add_parser("list", help="list runs, the newest first", epilog="example: tabpipe runs list iris")
    listed.add_argument("use_case", nargs="?", metavar="USE_CASE", help="of this use case only")
    _json(listed).set_defaults(command=_list)

    shown = inner.add_parser("show", help="tell all about a run", epilog="example: tabpipe runs show iris:latest")
    shown.add_argument("run", metavar="RUN", help=_RUN)
    _json(shown).set_defaults(command=_show)

    diff = inner.add_parser(
        "diff",
        help="tell what differs between two runs: parameters, metrics, data, code",
        epilog="example: tabpipe runs diff 20261121-0803 iris:latest --plots diff.html",
    )
    diff.add_argument("a", metavar="A", help=_RUN)
    diff.add_argument("b", metavar="B", help=_RUN)
    diff.add_argument("--plots", type=Path, metavar="FILE", help="write a page with the curves of both, HTML")
    _json(diff).set_defaults(command=_diff)

    again = commands.add_parser(
        "reproduce",
        help="make a run again from its commit, config and data, and compare",
        epilog="example: tabpipe reproduce iris:latest",
        description="Exit code 0 if every metric and every output is equal to the last digit, 1 if one differs.",
    )
    again.add_argument("run", metavar="RUN", help=_RUN)
    again.add_argument("--on", choices=("local", "docker"), default="local", help="where steps run (default: local)")
    again.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what the rerun makes there, an empty folder")
    _json(again).set_defaults(command=_reproduce)

    brought = commands.add_parser(
        "checkout",
        help="bring the data and the model of a run to a folder",
        epilog="example: tabpipe checkout iris:latest /tmp/iris",
    )
    brought.add_argument("run", metavar="RUN", help=_RUN)
    brought.add_argument("destination", type=Path, metavar="DEST", help="a folder that is empty or not there yet")
    _json(brought).set_defaults(command=_checkout)


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def _list(options: argparse.Namespace) -> int:
    from tabpipe.history import listing
    from tabpipe.history.finding import kept_runs

    runs = kept_runs(options.use_case)
    if options.json:
        listing.printed(listing.list_document(runs))
    else:
        listing.say(listing.list_lines(runs) if runs else ["  no run is kept here; make one: tabpipe run iris"])
    return 0


def _show(options: argparse.Namespace) -> int:
    from tabpipe.history import listing
    from tabpipe.history.finding import find

    run = find(options.run)
    if options.json:
        listing.printed(listing.show_document(run))
    else:
        listing.say(listing.show_lines(run))
    return 0


def _diff(options: argparse.Namespace) -> int:
    from tabpipe.history import differences, listing
    from tabpipe.history.finding import find

    a, b = find(options.a), find(options.b)
    if options.plots:
        from tabpipe.history.plots import write

        write(options.plots, a, b)
    if options.json:
        listing.printed(differences.differences(a, b))
    else:
        listing.say(differences.lines(a, b) + ([f"\n  {options.plots}"] if options.plots else []))
    return 0


def _reproduce(options: argparse.Namespace) -> int:
    from tabpipe.history.finding import find
    from tabpipe.history.reproducing import reproduce

    return reproduce(find(options.run), on=options.on, keep=options.keep, as_json=options.json)


def _checkout(options: argparse.Namespace) -> int:
    from tabpipe.history import bringing, listing
    from tabpipe.history.finding import find

    brought = bringing.bring(find(options.run), options.destination)
    if options.json:
        listing.printed(brought)
    else:
        listing.say(bringing.lines(brought))
    return 0
