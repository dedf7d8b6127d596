"""The command `predict` of the command line."""

from __future__ import annotations

import argparse
from typing import Any

from tabpipe.cluster.store_options import add_place
from tabpipe.reading_options import add_reading

_EXAMPLES = """MODEL is USE_CASE (its champion), USE_CASE@ALIAS, USE_CASE@v3, artifact://NAME:ALIAS, models:/NAME@ALIAS
of MLflow's registry, or the folder of a model.

examples:
  tabpipe predict --model music_genres@champion new.csv predictions.csv
  tabpipe predict --model nyc_rentals@v3 --probabilities --id id new.parquet predictions.parquet
  tabpipe predict --model iris new.parquet/ predictions.parquet
  cat new.jsonl | tabpipe predict --model iris - - > predictions.csv"""


def add(commands: Any) -> None:
    """Adds the command to the command line."""
    parser = commands.add_parser(
        "predict",
        help="let a model answer a table of any size",
        description="Lets a model answer the rows of a table: CSV, JSON, parquet, Arrow or Excel, also compressed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "table", metavar="IN", help="a file, a folder of part files, or a pattern of them; - is standard input"
    )
    parser.add_argument("out", metavar="OUT", help=".csv, .jsonl (both also .gz) or .parquet; - is standard output")
    parser.add_argument("--model", required=True, help="which model, for instance music_genres@champion")
    parser.add_argument("--probabilities", action="store_true", help="a column for each class")
    parser.add_argument(
        "--intervals", action="store_true", help="an interval of each number, or a set of classes (train.intervals)"
    )
    keep = parser.add_mutually_exclusive_group()
    keep.add_argument(
        "--id", dest="ids", action="append", metavar="NAME", help="a column that goes along; may be given again"
    )
    keep.add_argument(
        "--keep",
        choices=("ids", "all", "none"),
        default="ids",
        help="columns that go along: those that are no features (ids, the default), all, or none",
    )
    parser.add_argument("--rejects", metavar="FILE", help="where refused rows go (default: OUT, .rejects put in)")
    parser.add_argument(
        "--max-rejects",
        default="",
        metavar="N",
        help="most rows that may be refused, a number or 1%% (default: any, but not all)",
    )
    parser.add_argument(
        "--max-unknown",
        default="",
        metavar="N",
        help="most values of a categorical column that training did not know, a number or 1%% (default: any, not all)",
    )
    parser.add_argument("--chunk", type=int, default=10_000, metavar="N", help="rows at once (default: 10000)")
    add_reading(parser, "IN")
    parser.add_argument("--to", choices=("csv", "jsonl", "parquet"), help="the format of OUT (default: by its ending)")
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout, progress on stderr")
    parser.set_defaults(command=_predict)


def _predict(options: argparse.Namespace) -> int:
    from tabpipe.serving.batch import predict

    return predict(options)
