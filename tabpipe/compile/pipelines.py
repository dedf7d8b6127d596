"""The compiled pipelines, their images named by content."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.common.config.base import as_argument
from components.common.config.predict import PredictArgument
from tabpipe.compile.images import stamp_images

if TYPE_CHECKING:
    from tabpipe.config import UseCase


def training_spec(with_tsne: bool, registry: str = "", *, resolving: bool = False, model: str = "") -> Any:
    """The PipelineSpec of the training pipeline, a message that may be changed.

    Args:
        with_tsne: Whether the step tsne is part of it.
        registry: What stands before the images' names.
        resolving: Whether its first step finds what the source holds now.
        model: `train.model` of the config, which images hang on.
    """
    from tabpipe.engines import kfp_light  # noqa: F401  # first, so that kfp is loaded without its client

    import pipeline  # isort: skip

    spec = pipeline.training(resolving, with_tsne).pipeline_spec
    inputs = spec.root.input_definitions.parameters
    for name in ["checksum", "valid_for", "champion"] * resolving + ["tsne"] * (not with_tsne):
        del inputs[name]  # nothing reads it
    stamp_images(spec, registry=registry, model=model)
    return spec


def score_spec(registry: str = "", *, resolving: bool = False, model: str = "") -> Any:
    """The PipelineSpec of the pipeline score, a message that may be changed.

    Args:
        registry: What stands before the images' names.
        resolving: Whether its first step finds what the source holds, and which model is meant now.
        model: `train.model` of the config, which images hang on.
    """
    from tabpipe.engines import kfp_light  # noqa: F401  # first, so that kfp is loaded without its client

    import pipeline  # isort: skip

    spec = pipeline.scoring(resolving).pipeline_spec
    for name in ["checksum", "model"] * resolving:
        del spec.root.input_definitions.parameters[name]  # nothing reads it
    stamp_images(spec, registry=registry, model=model)
    return spec


def score_arguments(use_case: UseCase, name: str) -> dict[str, str]:
    """Step of the pipeline score to the section that it is handed, as JSON.

    Args:
        use_case: The config.
        name: What it is called, and its model after it.
    """
    predict = PredictArgument.model_validate({**use_case.predict.model_dump(), "use_case": name})
    return {"download": as_argument(use_case.download), "predict": as_argument(predict)}
