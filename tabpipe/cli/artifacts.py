"""The commands `artifacts …`."""

from __future__ import annotations

import argparse
from typing import Any

from tabpipe.cluster.store_options import group, placed


def add(commands: Any) -> None:
    """Adds the commands to the command line."""
    command = group(
        commands,
        "artifacts",
        _run,
        help="tables, reports and models under version",
        description="Tables, reports and models as named versions v0, v1, …: equal bytes make no new one.",
        epilog="example: tabpipe artifacts list music_clean",
    )

    listed = command("list", "list all artifacts, or the versions of one", "list music_clean")
    listed.add_argument("name", nargs="?", help="whose versions to list")

    shown = command("show", "tell all about a version", "show music_clean:prod")
    shown.add_argument("ref", metavar="REF", help=_REF)

    got = command("get", "bring a version to a file or folder", "get music_model:prod /tmp/model")
    got.add_argument("ref", metavar="REF", help=_REF)
    got.add_argument("destination", metavar="DEST", help="a file; a folder that is there gets the file under its name")

    put = command("put", "store a file or folder as the next version", "put music_raw tracks.parquet --meta by=ana")
    put.add_argument("name", metavar="NAME")
    put.add_argument("path", metavar="PATH", help="a file or a folder")
    put.add_argument("--meta", action="append", default=[], metavar="KEY=VALUE", help="worth knowing; may be repeated")
    put.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="REF",
        help="what it was made from, or its SHA-256; may be repeated",
    )

    alias = command("alias", "let a word point to a version", "alias music_clean:v3 prod")
    alias.add_argument("ref", metavar="REF", help=f"{_REF}; with --remove: NAME:ALIAS")
    alias.add_argument("alias", metavar="ALIAS", nargs="?", help="the word, for instance prod")
    alias.add_argument(
        "--expect", metavar="vN", help="only if it points to this one now; none: if there is no such alias"
    )
    alias.add_argument("--remove", action="store_true", help="take the alias away; its history stays")

    diff = command("diff", "tell what differs between two versions", "diff music_clean:v1 music_clean:v2")
    diff.add_argument("first", metavar="A", help=_REF)
    diff.add_argument("second", metavar="B", help=_REF)

    lineage = command(
        "lineage", "tell what a version was made from, or what was made from it", "lineage music_model:prod"
    )
    lineage.add_argument("ref", metavar="REF", help=_REF)
    lineage.add_argument("--down", action="store_true", help="what was made from it")
    lineage.add_argument("--svg", metavar="FILE", help="write a picture")

    remove = command("remove", "give up a version that no alias needs", "remove music_raw:v2")
    remove.add_argument("ref", metavar="REF", help=_REF)

    gc = command("gc", "give up old versions that nothing needs, and their bytes", "gc --older-than 30d --dry-run")
    gc.add_argument("--older-than", metavar="AGE", default="7d", help="30m, 12h, 7d, 2w (default: 7d)")
    gc.add_argument("--dry-run", action="store_true", help="tell what would go")


_SHOWING = ("list", "show", "diff", "lineage")
_REF = "NAME, NAME:ALIAS, NAME:vN or NAME:DIGEST"


def _run(name: str, options: argparse.Namespace) -> int:
    from tabpipe.artifacts import change, show

    with placed(options, mlflow=False):
        return getattr(show if name in _SHOWING else change, f"{name}_command")(options)
