"""Compiled pipelines: YAML that Kubeflow Pipelines runs, with a use case's values as the parameters' defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.common.errors import Refusal, nearest
from components.common.sections.cluster import Cluster
from components.common.tables import written_whole
from tabpipe.config import UseCase
from tabpipe.pipelines import training_spec

LARGEST = 256 * 1024
"""Bytes that Kubeflow accepts at most."""


def compile_training(use_case: UseCase, out: Path, registry: str = "") -> int:
    """Writes the training pipeline of a use case; the same input gives the same bytes.

    Args:
        use_case: The config, overrides included.
        out: The YAML file.
        registry: What stands before the images' names.

    Returns:
        The file's size in bytes.

    Raises:
        Refusal: A setting for a step that does not exist, or a pipeline that is too large.
    """
    import yaml
    from google.protobuf import json_format

    spec = training_spec(use_case.tsne is not None, registry)
    for name, section in use_case.arguments().items():
        parameter = spec.root.input_definitions.parameters[name]
        parameter.default_value.string_value = section
        parameter.is_optional = True
    _provide(spec, use_case.cluster)
    text = yaml.safe_dump(json_format.MessageToDict(spec), sort_keys=True, allow_unicode=True, width=120)
    size = len(text.encode())
    if size > LARGEST:
        raise Refusal(
            "the compiled pipeline is too large",
            value=f"{size:,} bytes",
            rule=f"at most {LARGEST:,}",
            mend="declare fewer columns or rules",
        )
    with written_whole(out) as beside:
        beside.write_text(text)
    return size


def _provide(spec: Any, cluster: Cluster) -> None:
    """Puts resources and retries into a compiled pipeline."""
    steps = {
        label.removeprefix("exec-").replace("-", "_"): executor["container"]
        for label, executor in spec.deployment_spec["executors"].items()
    }
    for name in cluster.steps:
        if name not in steps:
            raise Refusal(f"there is no step {name!r}", where="cluster.steps", mend=nearest(name, steps))
    for name, container in steps.items():
        own = cluster.steps[name].model_dump(exclude_none=True) if name in cluster.steps else {}
        asked = {**cluster.resources.model_dump(exclude_none=True), **own}
        fields = {
            "cpu_request": "resourceCpuRequest",
            "cpu_limit": "resourceCpuLimit",
            "memory_request": "resourceMemoryRequest",
            "memory_limit": "resourceMemoryLimit",
        }
        if asked:
            container["resources"] = {fields[key]: value for key, value in asked.items()}
    for task in spec.root.dag.tasks.values():
        task.retry_policy.max_retry_count = cluster.retry.times
        task.retry_policy.backoff_factor = 2.0
        task.retry_policy.backoff_duration.seconds = cluster.retry.backoff_seconds
        task.retry_policy.backoff_max_duration.seconds = cluster.retry.longest_seconds
