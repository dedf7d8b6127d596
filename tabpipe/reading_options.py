"""Options that say how a table is written, where a command cannot know it by itself."""

from __future__ import annotations

import argparse

from components.common.config.reading import Reading

_FORMATS = ("csv", "jsonl", "json", "parquet", "arrow", "excel")


def add_reading(
    parser: argparse.ArgumentParser, called: str, when: str = "where that is not as the training table was"
) -> None:
    """Add the options to a command.

    Args:
        parser: The command.
        called: What its help calls the table.
        when: When they are needed.
    """
    group = parser.add_argument_group(f"how {called} is written, {when}")
    group.add_argument("--format", "--from", choices=_FORMATS, help="its format (default: by first bytes and name)")
    group.add_argument("--delimiter", help="of a CSV (default: a comma; a tab of .tsv; else what its header shows)")
    group.add_argument("--encoding", help="of a CSV or JSON (default: UTF-8, or what its first bytes say)")
    group.add_argument("--sheet", help="of a workbook that has several")
    group.add_argument("--decimal", metavar="MARK", help="what stands before decimals (default: a point)")
    group.add_argument("--thousands", metavar="MARK", help="what groups digits (default: nothing)")
    group.add_argument(
        "--missing", action="append", metavar="VALUE", help="a further spelling of a missing value; again for more"
    )


def reading_of(options: argparse.Namespace, reading: Reading) -> Reading:
    """Return how the table is read: as options say, else as `reading` does."""
    names = ("format", "delimiter", "encoding", "sheet", "decimal", "thousands", "missing")
    given = {name: value for name in names if (value := getattr(options, name, None)) is not None}
    own = dict.fromkeys({"decimal", "thousands"} & given.keys())
    columns = {name: {**column.model_dump(), **own} for name, column in reading.columns.items()}
    return Reading.model_validate({**reading.model_dump(), **given, "columns": columns})
