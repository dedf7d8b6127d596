"""The command `ab report` of the command line."""

from __future__ import annotations

import argparse
from typing import Any

from tabpipe.reading_options import add_reading

_EXAMPLES = """examples:
  tabpipe ab report music_genres --outcomes genres.csv --id track --truth genre
  tabpipe ab report nyc_rentals --outcomes s3://data/prices.parquet --id id --truth price --since 14d --html ab.html"""


def add(commands: Any) -> None:
    """Adds the command to a parser's subcommands."""
    parser = commands.add_parser(
        "ab",
        help="champion against challenger, by what turned out to be true",
        description="Compares the champion and the challenger of a server by its log and by outcomes.",
        epilog="example: tabpipe ab report music_genres --outcomes genres.csv --id track --truth genre",
    )
    inner = parser.add_subparsers(title="commands", required=True)
    report = inner.add_parser(
        "report",
        help="say which one is better, with an interval",
        description="Joins logged predictions with later outcomes, and says which model is better, with an interval.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    report.add_argument("use_case", metavar="USE_CASE", help="the use case, for instance music_genres")
    report.add_argument("--outcomes", required=True, metavar="TABLE", help="a table of any format: a path or URL")
    report.add_argument("--id", required=True, metavar="COLUMN", help="its column of row ids or request ids")
    report.add_argument("--truth", required=True, metavar="COLUMN", help="its column of true values")
    report.add_argument("--time", metavar="COLUMN", help="when they were known: later predictions do not count")
    report.add_argument(
        "--log", metavar="URL", help="a folder or s3://bucket/prefix (default: TABPIPE_SERVE_LOG, or output/requests)"
    )
    report.add_argument("--cluster", action="store_true", help="the log of the cluster that KUBECONFIG points at")
    report.add_argument("--metric", help="accuracy (default), log_loss, f1_macro; of numbers mae (default), rmse")
    report.add_argument("--confidence", type=float, default=0.95, help="of the interval (default: 0.95)")
    report.add_argument(
        "--fraction", type=float, help="the challenger's share of the keys: warns if the log's is another"
    )
    report.add_argument("--since", metavar="TIME", help="a date, a time in UTC, or an age: 2026-03-01, 7d")
    report.add_argument("--until", metavar="TIME", help="the first moment that does not count any more")
    report.add_argument("--seed", type=int, default=42, help="of the resamples (default: 42)")
    report.add_argument("--html", metavar="FILE", help="write a page with a picture")
    add_reading(report, "the table of outcomes")
    report.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    report.set_defaults(command=_report)


def _report(options: argparse.Namespace) -> int:
    from tabpipe.ab.report import report_command

    return report_command(options)
