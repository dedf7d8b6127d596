"""The step resolve: what the source holds now, so that later steps are cached by it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from components.common.artifacts import open_store
from components.common.config.base import accept
from components.common.config.check_data import CheckDataArgument
from components.common.config.download import DownloadArgument
from components.common.config.predict import PredictArgument
from components.common.config.promote import PromoteArgument
from components.common.registry import mark, standing
from components.common.registry.model_ref import mark_of, version_of
from components.common.sources import Progress, resolve
from components.common.sources.cache_inputs import valid_for


def resolve_inputs(
    download: dict[str, Any],
    check_data: dict[str, Any],
    promote: dict[str, Any],
    scratch: str | None = None,
    progress: Progress | None = None,
) -> tuple[str, str, str]:
    """Finds what a run hangs on beside its arguments.

    Args:
        download: The section `download`.
        check_data: The section `check_data`.
        promote: The section `promote`.
        scratch: A folder for what must be fetched to be known; the system's own by default. It is left as it was.
        progress: Is told how far a fetch is.

    Returns:
        The SHA-256 of the source's bytes (`sample:NAME` of a sample), what the data checks are valid for, and how
        things stand with the champion.

    Raises:
        Refusal: A section is not accepted, or a source, a reference or the artifact store cannot be reached.
    """
    source = accept(DownloadArgument, download, "section download").source
    checks = accept(CheckDataArgument, check_data, "section check_data")
    use_case = accept(PromoteArgument, promote, "section promote").use_case
    artifacts = open_store()
    champion = mark(artifacts, standing(artifacts, use_case))
    with tempfile.TemporaryDirectory(dir=scratch) as store:
        return resolve(source, Path(store), progress).checksum, valid_for(checks, Path(store)), champion


def resolve_score_inputs(
    download: dict[str, Any],
    predict: dict[str, Any],
    scratch: str | None = None,
    progress: Progress | None = None,
) -> tuple[str, str]:
    """Finds what a run of the pipeline score hangs on beside its arguments.

    Args:
        download: The section `download`.
        predict: The section `predict`.
        scratch: A folder for what must be fetched to be known; the system's own by default. It is left as it was.
        progress: Is told how far a fetch is.

    Returns:
        The SHA-256 of the source's bytes (`sample:NAME` of a sample), and the mark of the model.

    Raises:
        Refusal: A section is not accepted, there is no such model, or a source or the artifact store cannot be reached.
    """
    source = accept(DownloadArgument, download, "section download").source
    argument = accept(PredictArgument, predict, "section predict")
    model = mark_of(version_of(open_store(), argument.use_case, argument.model))
    with tempfile.TemporaryDirectory(dir=scratch) as store:
        return resolve(source, Path(store), progress).checksum, model
