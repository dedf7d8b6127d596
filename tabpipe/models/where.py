"""Where the champions are: this machine's store and MLflow, or a cluster's."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager

from tabpipe.environment import environment


@contextmanager
def placed(options: argparse.Namespace) -> Iterator[None]:
    """Lets the environment name the store and the MLflow that are meant, while the block runs."""
    if not options.cluster:
        from tabpipe.mlflow_store import tracking_uri

        with environment({"MLFLOW_TRACKING_URI": tracking_uri()}):
            yield
        return
    from tabpipe.cluster.reach import connect
    from tabpipe.cluster.store import reached_mlflow, reached_store

    cluster = connect()
    with (
        reached_store(cluster) as store,
        reached_mlflow(cluster) as mlflow,
        environment({**store, "MLFLOW_TRACKING_URI": mlflow}),
    ):
        yield
