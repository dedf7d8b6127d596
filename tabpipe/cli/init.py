"""The command `init` of the command line."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.base.files import written_whole
from components.common.config.reading import Reading
from tabpipe.console import detail, document, progress
from tabpipe.reading_options import add_reading, reading_of

_EXAMPLES = """The config goes to FILE, or to standard output; what was decided, and why, to the screen.

examples:
  tabpipe init wine.csv
  tabpipe init wine.csv --target quality --output config/wine.yaml
  tabpipe init sales.xlsx --sheet 2026 --target amount > config/sales.yaml
  tabpipe init 'data/2026-*.csv' --target label --json"""


def add(commands: Any) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "init",
        help="draft the config of a table",
        description="Looks at a whole table and drafts a config that it runs with: kinds, task, rules and why.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXAMPLES,
    )
    parser.add_argument("table", help="a file of any format, a folder of part files, or a pattern of them")
    parser.add_argument("--target", help="the column to predict; without it, likely ones are listed")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the config there, whole or not at all")
    parser.add_argument("--force", action="store_true", help="write FILE even if it is there")
    parser.add_argument("--json", action="store_true", help="print what is known of the table as one JSON document")
    add_reading(parser, "TABLE", "where it does not tell")
    parser.set_defaults(command=_init)


def _init(options: argparse.Namespace) -> int:
    from tabpipe.draft import as_json, as_yaml, draft, show
    from tabpipe.draft.decisions import NoTarget

    _refuse_output(options)
    try:
        found = draft(options.table, options.target, reading_of(options, Reading()), detail)
    except NoTarget as refusal:
        show(refusal.draft, sys.stderr)
        raise
    text = as_yaml(found)
    _refuse_unusable(text)
    show(found, sys.stderr)
    if options.output:
        _refuse_other(options.output, text, options.force)
        with written_whole(options.output) as beside:
            beside.write_text(text, encoding="utf-8")
        progress(f"written: {options.output}; look at it, then run: tabpipe run {_called(options.output)}")
    if options.json:
        return document({**as_json(found), "config": text})
    if not options.output:
        print(text, end="")
    return 0


def _refuse_output(options: argparse.Namespace) -> None:
    path = options.output
    if path is None:
        return
    if path.suffix not in (".yaml", ".yml"):
        raise Refusal("not the name of a config", where="--output", value=str(path), rule="it ends in .yaml or .yml")


def _refuse_other(path: Path, text: str, force: bool) -> None:
    """Refuse to write over a file that says something else."""
    if path.exists() and not force and not (path.is_file() and path.read_bytes() == text.encode()):
        raise Refusal(
            "the file is there already, and says something else", where=str(path), mend="--force writes over it"
        )


def _called(path: Path) -> str:
    """What `run` calls a config."""
    from tabpipe.project import ROOT

    return path.stem if path.resolve().parent == ROOT / "config" and path.suffix == ".yaml" else str(path)


def _refuse_unusable(text: str) -> None:
    """Hold a draft against the code that reads configs."""
    from tabpipe.config import load

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "drafted-config.yaml"
        path.write_text(text, encoding="utf-8")
        load(str(path))
