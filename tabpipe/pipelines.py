"""The compiled pipelines, their images named by content."""

from __future__ import annotations

from typing import Any

from tabpipe.images import stamp_images


def training_spec(tsne: bool, registry: str = "") -> Any:
    """The PipelineSpec of the training pipeline, a message of its own that may be changed.

    Args:
        tsne: Whether the step tsne is part of it.
        registry: What stands before the images' names.
    """
    from tabpipe.engines import kfp_light  # noqa: F401  # first, so that kfp is loaded without its client

    import pipeline  # isort: skip

    chosen = pipeline.train_tsne_pipeline if tsne else pipeline.train_pipeline
    spec = type(chosen.pipeline_spec)()
    spec.CopyFrom(chosen.pipeline_spec)
    stamp_images(spec, registry=registry)
    return spec
