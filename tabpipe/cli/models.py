"""The commands `models …` of the command line."""

from __future__ import annotations

import argparse
from typing import Any

from tabpipe.cluster.store_options import group, placed

_MODEL = "the use case, for instance music_genres"


def add(commands: Any) -> None:
    """Adds the commands to the command line."""
    command = group(
        commands,
        "models",
        _run,
        help="which model is the champion, its history, promotion, rollback, retirement",
        description="The champion of each use case: the model that is served. Pipelines promote; so do people here.",
        epilog="example: tabpipe models history music_genres",
    )

    listed = command("list", "list champions, or the versions of one model", "list music_genres")
    listed.add_argument("model", nargs="?", metavar="MODEL", help=_MODEL)

    history = command("history", "tell who made which version the champion, when and why", "history iris")
    history.add_argument("model", metavar="MODEL", help=_MODEL)

    promoted = command("promote", "make a version the champion", "promote music_genres v3")
    promoted.add_argument("model", metavar="MODEL", help=_MODEL)
    promoted.add_argument(
        "version", nargs="?", default="challenger", metavar="VERSION", help="vN or an alias (default: challenger)"
    )
    promoted.add_argument("--as", dest="alias", choices=("champion", "challenger"), default="champion")
    promoted.add_argument("--expect", metavar="vN", help="only if this one is the champion now; none: if there is none")
    _why(promoted)

    rollback = command("rollback", "bring the former champion back, at once", "rollback music_genres")
    rollback.add_argument("model", metavar="MODEL", help=_MODEL)
    _why(rollback)

    words = "take the champion away, so that the next good model is a first one"
    retired = command("retire", words, 'retire iris --because "…"')
    retired.add_argument("model", metavar="MODEL", help=_MODEL)
    _why(retired, required=True)

    sync = command("sync", "let MLflow's registry follow the history", "sync music_genres")
    sync.add_argument("model", metavar="MODEL", help=_MODEL)
    sync.add_argument("--force", action="store_true", help="also where the champion was moved in MLflow by hand")


def _why(parser: argparse.ArgumentParser, required: bool = False) -> None:
    parser.add_argument(
        "--why", "--because", required=required, default="", metavar="TEXT", help="is kept in the history"
    )


def _run(name: str, options: argparse.Namespace) -> int:
    from tabpipe.models import change, show

    with placed(options):
        return getattr(show if name in ("list", "history") else change, f"{name}_command")(options)
