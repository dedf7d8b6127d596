"""The compiled pipelines, their images named by content."""

from __future__ import annotations

from typing import Any

from tabpipe.images import stamp_images


def training_spec(with_tsne: bool, registry: str = "", *, resolving: bool = False) -> Any:
    """The PipelineSpec of the training pipeline, a message that may be changed.

    Args:
        with_tsne: Whether the step tsne is part of it.
        registry: What stands before the images' names.
        resolving: Whether its first step finds what the source holds now.
    """
    from tabpipe.engines import kfp_light  # noqa: F401  # first, so that kfp is loaded without its client

    import pipeline  # isort: skip

    spec = pipeline.training(resolving, with_tsne).pipeline_spec
    inputs = spec.root.input_definitions.parameters
    for name in ["checksum", "valid_for", "champion"] * resolving + ["tsne"] * (not with_tsne):
        del inputs[name]  # nothing reads it
    stamp_images(spec, registry=registry)
    return spec
