"""Where artifacts and models are, as commands are told: a store, this machine's, or the cluster's."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tabpipe.environment import environment


def command(inner: Any, group: str, name: str, text: str, example: str) -> argparse.ArgumentParser:
    """Adds a command that is told a place, and may answer by a JSON document.

    Args:
        inner: The subparsers of its group.
        group: What the group is called.
        name: What the command is called.
        text: What it does.
        example: What may follow the name of the group.
    """
    parser = inner.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", epilog=f"example: tabpipe {group} {example}"
    )
    add_place(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def add_place(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that tell the place."""
    place = parser.add_mutually_exclusive_group()
    place.add_argument(
        "--store",
        metavar="URL",
        help="the artifact store: a folder or s3://bucket/prefix (default: TABPIPE_ARTIFACTS, or output/artifacts)",
    )
    place.add_argument("--cluster", action="store_true", help="that of the cluster that KUBECONFIG points at")


@contextmanager
def placed(options: argparse.Namespace, mlflow: bool = True) -> Iterator[None]:
    """Lets the environment name the store and the MLflow that are meant, while the block runs.

    Args:
        options: What `add_place` has read.
        mlflow: Whether MLflow is asked too.

    Raises:
        Refusal: The cluster's cannot be reached.
    """
    with ExitStack() as stack:
        variables: dict[str, str] = {}
        if options.cluster:
            from tabpipe.cluster.client import connect
            from tabpipe.cluster.store import reached_mlflow, reached_store

            cluster = connect()
            variables |= stack.enter_context(reached_store(cluster))
            if mlflow:
                variables["MLFLOW_TRACKING_URI"] = stack.enter_context(reached_mlflow(cluster))
        elif mlflow:
            from tabpipe.tracking.mlflow_store import tracking_uri

            variables["MLFLOW_TRACKING_URI"] = tracking_uri()
        stack.enter_context(environment(variables))
        yield
