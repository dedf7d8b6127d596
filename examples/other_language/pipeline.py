"""A pipeline with a step that is not Python: rows are counted by awk, between steps in Python.

Started as a script, it prints the pipeline for Kubeflow; with --run, it runs it in containers on this machine.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

if not __package__:  # started as a script: what is imported comes from the project, not from this folder
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kfp import dsl

from components.common.base.errors import Refusal
from components.common.config.cluster import Cluster
from components.download.component import download as download_step
from tabpipe.compile.images import image_of, image_of_folder
from tabpipe.compile.kubernetes_config import provide

HERE = Path(__file__).resolve().parent


@dsl.component(base_image="tabpipe/base", install_kfp_package=False)
def as_csv(table: dsl.Input[dsl.Dataset], rows: dsl.Output[dsl.Dataset]):
    """Turns a parquet table into what awk can read."""
    import pandas as pd

    pd.read_parquet(table.path).to_csv(rows.path, index=False)


@dsl.container_component
def count(
    table: dsl.Input[dsl.Dataset],
    by: str,
    of: str,
    groups: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
):
    """Counts a CSV's rows by one column, with the mean of another; in shell and awk."""
    return dsl.ContainerSpec(
        image="tabpipe/count",
        command=["sh", "/app/count.sh"],
        args=[
            *("--table", table.path, "--by", by, "--of", of, "--groups", groups.path),
            # For the executor output, by which a step tells of its outputs; without it there are no metrics.
            *("--groups_uri", groups.uri, "--metrics_uri", metrics.uri),
            *("--executor_output", dsl.PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER),
            *("--executor_input", dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER),
        ],
    )


@dsl.component(base_image="tabpipe/base", install_kfp_package=False)
def balance(groups: dsl.Input[dsl.Dataset], metrics: dsl.Output[dsl.Metrics]):
    """Says how even the groups are, and how far apart their means."""
    import pandas as pd

    table = pd.read_csv(groups.path)
    metrics.log_metric("largest_share", float(table.rows.max() / table.rows.sum()))
    metrics.log_metric("smallest_share", float(table.rows.min() / table.rows.sum()))
    if table["mean"].notna().any():
        metrics.log_metric("spread", float(table["mean"].max() - table["mean"].min()))


@dsl.pipeline(name="counting", description="Rows counted by a step in shell and awk, between two steps in Python.")
def counting(
    download: str = '{"source": "sample://iris"}',
    checksum: str = "",
    by: str = "species",
    of: str = "petal_length",
):
    """download, as_csv, count, balance.

    Args:
        download: Section of the step download, as in a config.
        checksum: What identifies the source's present bytes; a cached download is for one checksum only.
        by: The column to group by.
        of: The column of numbers to sum up.
    """
    raw = download_step(section=download, checksum=checksum)
    rows = as_csv(table=raw.outputs["table"])
    groups = count(table=rows.outputs["rows"], by=by, of=of)
    balance(groups=groups.outputs["groups"])


def spec(registry: str = "") -> Any:
    """The compiled pipeline, its images tagged by content.

    Args:
        registry: What stands before the images' names.
    """
    compiled = type(counting.pipeline_spec)()
    compiled.CopyFrom(counting.pipeline_spec)
    for executor in compiled.deployment_spec["executors"].values():
        name = executor["container"]["image"].removeprefix("tabpipe/")
        folder = HERE / name
        image = image_of_folder(folder, registry) if folder.is_dir() else image_of(name, registry=registry)
        executor["container"]["image"] = image
    return compiled


def as_yaml(registry: str = "") -> str:
    """The compiled pipeline as text that Kubeflow takes; the same each time."""
    import yaml
    from google.protobuf import json_format

    compiled = spec(registry)
    # Retries, timeouts, resources and users are set as in the section `cluster` of a config.
    cluster = Cluster(steps={"count": {"cpu_request": "100m", "memory_request": "32Mi", "memory_limit": "256Mi"}})
    platform = provide(compiled, cluster, "counting")
    return yaml.safe_dump_all([json_format.MessageToDict(compiled), platform], sort_keys=True, width=120)


def build_images(registry: str = "", push: bool = False) -> None:
    """Builds the images of all four steps where they are not there, and pushes them if asked to."""
    from tabpipe.compile.build_images import build, build_folder

    build(["download"], registry=registry, push=push)
    build_folder(HERE / "count", registry=registry, push=push)


def run(home: Path, **arguments: str) -> dict[str, dict[str, Any]]:
    """Runs the pipeline in containers on this machine, as `make run ON=docker` runs the training pipeline.

    Args:
        home: The folder for outputs.
        arguments: The pipeline's parameters, where they are not the defaults.

    Returns:
        Step to outputs, each by its name.

    Raises:
        Refusal: No engine, an image that does not build, or a step that failed, with that step's own message.
    """
    from tabpipe.engines.docker import runner
    from tabpipe.engines.execution import Execution
    from tabpipe.engines.kfp_local import run_pipeline
    from tabpipe.runs.step_messages import failure

    build_images()
    logs, outputs, failed = home / "counting" / "logs", {}, []
    compiled = spec()
    parameters = compiled.root.input_definitions.parameters
    defaults = {name: parameter.default_value.string_value for name, parameter in parameters.items()}
    execution = Execution(
        root=home / "kfp",
        log=lambda step: logs / f"{step}.log",
        spool=home / "counting" / "spool",
        warm=lambda: None,
        docker=runner([home], []),
        on_end=lambda step, key, made, cached: outputs.update({step: made}),
        on_fail=lambda step, code, folder: failed.append(failure(step, code, logs / f"{step}.log")),
    )
    if not run_pipeline(compiled, defaults | arguments, execution, logs / "engine.log"):
        raise Refusal(failed[0])
    return outputs


def main() -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(description="A pipeline with a step in shell and awk; prints it for Kubeflow.")
    parser.add_argument("arguments", nargs="*", metavar="KEY=VALUE", help="with --run: by=…, of=…, download=…")
    parser.add_argument("--registry", default="", help="what stands before the images' names")
    parser.add_argument("--push", action="store_true", help="build the images first and push them to the registry")
    parser.add_argument("--run", action="store_true", help="run it in containers on this machine")
    options = parser.parse_args()
    given = dict(word.partition("=")[::2] for word in options.arguments)
    known = counting.pipeline_spec.root.input_definitions.parameters
    if strange := [name for name in given if name not in known]:
        parser.error(f"there is no parameter {strange[0]!r}; known are: {', '.join(known)}")
    try:
        if options.run:
            from tabpipe.project import usable_home

            made = run(usable_home(), **given)
            print(json.dumps({step: made[step]["metrics"].metadata for step in ("count", "balance")}, indent=1))
            return 0
        if options.push:
            build_images(options.registry, push=True)
        print(as_yaml(options.registry), end="")
        return 0
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
