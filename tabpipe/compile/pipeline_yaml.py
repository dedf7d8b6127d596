"""Compiled pipelines: YAML that Kubeflow Pipelines runs, with a use case's values as the parameters' defaults."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from components.common.base.files import written_whole
from tabpipe.compile.kubernetes_config import provide
from tabpipe.compile.pipelines import score_arguments, score_spec, training_spec
from tabpipe.config import UseCase

LARGEST = 256 * 1024
"""Bytes that Kubeflow accepts at most."""


def compile_training(use_case: UseCase, name: str, out: Path, registry: str = "") -> int:
    """Writes the training pipeline of a use case; the same input gives the same bytes.

    Args:
        use_case: The config, overrides included.
        name: What the use case is called, and the pipeline after it.
        out: The YAML file.
        registry: What stands before the images' names.

    Returns:
        The file's size in bytes.

    Raises:
        Refusal: A setting for a step that does not exist, or a pipeline that is too large.
    """
    spec = training_spec(use_case.tsne is not None, registry, resolving=True, model=use_case.train.model)
    if use_case.description:
        spec.pipeline_info.description = use_case.description
    return _written(spec, use_case, name, use_case.arguments(name), out)


def compile_score(use_case: UseCase, name: str, out: Path, registry: str = "") -> int:
    """Writes the pipeline score of a use case, as `compile_training` does that of its training."""
    spec = score_spec(registry, resolving=True, model=use_case.train.model)
    return _written(spec, use_case, score_name(name), score_arguments(use_case, name), out)


def score_name(use_case: str) -> str:
    """What the runs of a use case's pipeline score go by, and the names of what they make begin with."""
    return f"{use_case}.score"


def _written(spec: Any, use_case: UseCase, name: str, arguments: dict[str, str], out: Path) -> int:
    """Puts a use case's values into a pipeline and writes it; returns the file's size in bytes."""
    import yaml
    from google.protobuf import json_format

    spec.pipeline_info.name = pipeline_name(name)
    _defaults(spec, arguments)
    platform = provide(spec, use_case.cluster, name, own_store=_wants_own_store(use_case))
    documents = [json_format.MessageToDict(spec), platform]
    text = yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True, width=120)
    size = len(text.encode())
    if size > LARGEST:
        raise Refusal(
            "the compiled pipeline is too large",
            value=f"{size:,} bytes",
            rule=f"at most {LARGEST:,}",
            mend="declare columns that are alike by a pattern of their names (f*: numerical), and their rules likewise",
        )
    with written_whole(out) as beside:
        beside.write_text(text)
    return size


def pipeline_name(use_case: str) -> str:
    """A use case's name as Kubeflow accepts it: lower case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", use_case.lower()).strip("-")


def _wants_own_store(use_case: UseCase) -> bool:
    """Whether the config names an s3:// address and says nothing of the store behind it: the cluster's own is meant."""
    addresses = (use_case.download.source, use_case.check_data.drift.reference or "")
    declared = [*use_case.cluster.environment, *use_case.cluster.secrets]
    return any(address.startswith("s3://") for address in addresses) and not any(
        variable.startswith("AWS_") for variable in declared
    )


def _defaults(spec: Any, sections: dict[str, str]) -> None:
    """Makes a use case's sections the defaults of the parameters, and what steps put a partial section over.

    The parameters become mappings, which `kfp run create` and the UI want; the whole sections go to the steps as text
    beside them, for mappings lose order and the difference of 200 and 200.0.
    """
    mapping = type(spec.root.input_definitions.parameters["download"]).DESCRIPTOR.fields_by_name["parameter_type"]
    struct = mapping.enum_type.values_by_name["STRUCT"].number
    for name, section in sections.items():
        parameter = spec.root.input_definitions.parameters[name]
        parameter.parameter_type = struct
        parameter.default_value.struct_value.update(_without_nulls(json.loads(section)))
        parameter.is_optional = True
    for task in spec.root.dag.tasks.values():
        inputs = spec.components[task.component_ref.name].input_definitions.parameters
        given = {key: value.component_input_parameter for key, value in task.inputs.parameters.items()}
        for key, parameter in given.items():
            place = "defaults" if key == "section" else f"{key}_defaults"
            if parameter in sections and place in inputs:
                inputs[key].parameter_type = struct
                task.inputs.parameters[place].runtime_value.constant.string_value = sections[parameter]


def _without_nulls(value: Any) -> Any:
    """Leaves out what is null, which kfp's mappings do not know; the step has it from the whole section."""
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return value
