"""Where artifacts and models are, as commands are told: a store, this machine's, or the cluster's."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from tabpipe.environment import environment

Add = Callable[[str, str, str], argparse.ArgumentParser]


def group(commands: Any, name: str, run: Callable[[str, argparse.Namespace], int], **words: str) -> Add:
    """Adds a group of commands that are told a place, and may answer by a JSON document.

    Args:
        commands: The subparsers of the command line.
        name: What the group is called.
        run: Runs one of its commands, by its name.
        words: Help, description and epilog of the group.

    Returns:
        What adds a command, given its name, what it does, and what may follow the name of the group.
    """
    inner = commands.add_parser(name, **words).add_subparsers(title="commands", required=True)

    def add(command: str, text: str, example: str) -> argparse.ArgumentParser:
        said = {"description": text[0].upper() + text[1:] + ".", "epilog": f"example: tabpipe {name} {example}"}
        parser = inner.add_parser(command, help=text, **said)
        add_place(parser)
        parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
        parser.set_defaults(command=partial(run, command))
        return parser

    return add


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
