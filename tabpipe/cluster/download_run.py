"""`checkout --cluster`: what a run on the cluster has made, brought to a folder, each table and the model verified.

They come from the cluster's artifact store. What is not there, such as the outputs of runs older than the store, comes
from where Kubeflow keeps the outputs of its steps; so do the reports, which no digest names.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.common.artifacts.naming import artifact_name
from components.common.base.artifact_ref import check_filename
from components.common.base.errors import Refusal
from tabpipe.cluster.client import Cluster
from tabpipe.cluster.metadata import Made, made_by
from tabpipe.cluster.store import minio, reached_store
from tabpipe.environment import environment
from tabpipe.project import write_json
from tabpipe.runs.find import Kept
from tabpipe.runs.run_sources import holds

if TYPE_CHECKING:
    from components.common.artifacts import Store

_KUBEFLOWS = ("minio://", "s3://")
"""How addresses in Kubeflow's own store begin."""
_REPORTS = ("report", "picture")


def fill_from(cluster: Cluster, run: Kept, folder: Path) -> list[str]:
    """Puts a run's config, summary, tables, model and reports into a folder.

    Args:
        cluster: Where the run was.
        run: The run.
        folder: An empty folder.

    Returns:
        What could not be brought.

    Raises:
        Refusal: A table or the model is gone or damaged, or the name of an output is a path.
    """
    write_json(folder / "summary.json", run.summary)
    write_json(folder / "config.json", run.config)
    missing = [] if run.outputs else ["where its tables are"]
    for name in ("data", "reports"):
        (folder / name).mkdir()
    with _opened(cluster) as store, minio(cluster) as client:
        for made in made_by(cluster, run.run_id):
            check_filename(f"{made.step}_{made.name}", f"run {run.run_id}, the name of an output")
            if made.name in _REPORTS:
                if not _kubeflows_own(client, made.uri, folder / "reports" / f"{made.step}.html"):
                    missing.append(f"the report of {made.step}, which is gone")
            elif "digest" in made.metadata and ("rows" in made.metadata or made.name == "model"):
                table = folder / "data" / f"{made.step}_{made.name}.parquet"
                _bring(store, client, run, made, folder / "model" if made.name == "model" else table)
    return missing


def _bring(store: Store, client: Any, run: Kept, made: Made, target: Path) -> None:
    """Brings a table or the model, by its digest."""
    name, digest = artifact_name(run.use_case, made.step, made.name), made.metadata["digest"]
    try:
        store.get(f"{name}:{digest}", target)
        return
    except Refusal as refusal:
        why = refusal.problem
    if not _kubeflows_own(client, made.uri, target) or not holds(target, digest):
        raise Refusal(
            f"its output {made.step}.{made.name} is gone or damaged: {why}",
            where=f"run {run.run_id}",
            value=f"{name}, sha256 {digest}",
            mend=f"make it again: tabpipe reproduce --cluster {run.run_id}",
        )


def _kubeflows_own(client: Any, uri: str, target: Path) -> bool:
    """Brings a file or a folder from where Kubeflow keeps what its steps make; tells whether it is there."""
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = uri.partition("://")[2].partition("/")
    if not uri.startswith(_KUBEFLOWS):
        return False
    shutil.rmtree(target, ignore_errors=True)
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        found = [one["Key"] for page in pages for one in page.get("Contents", [])]
        files = {one: one.removeprefix(key).strip("/") for one in found if one == key or one.startswith(f"{key}/")}
        for one, inner in files.items():
            path = target / inner if inner else target
            if ".." in Path(inner).parts:
                return False
            path.parent.mkdir(parents=True, exist_ok=True)
            client.download_file(bucket, one, str(path))
    except (BotoCoreError, ClientError) as error:
        raise Refusal(f"the cluster's MinIO does not answer: {error}", where=uri) from None
    return bool(files)


@contextmanager
def _opened(cluster: Cluster) -> Iterator[Store]:
    """The cluster's artifact store, for as long as the way to it is open."""
    from components.common.artifacts import open_store

    with reached_store(cluster) as variables, environment(variables):
        yield open_store()
