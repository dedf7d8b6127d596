"""The step resolve: what the source holds now, so that later steps are cached by it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from components.common.outside import valid_for
from components.common.sections import CheckDataArgument, Download, accept
from components.common.sources import Progress, resolve


def resolve_inputs(
    download: dict[str, Any], check_data: dict[str, Any], scratch: str | None = None, progress: Progress | None = None
) -> tuple[str, str]:
    """Finds what a run hangs on beside its arguments.

    Args:
        download: The section `download`.
        check_data: The section `check_data`.
        scratch: A folder for what must be fetched to be known; the system's own by default. It is left as it was.
        progress: Is told how far a fetch is.

    Returns:
        The SHA-256 of the source's bytes (`sample:NAME` of a sample), and what the data checks are valid for.

    Raises:
        Refusal: A section is not accepted, or a source or reference is not there or cannot be reached.
    """
    source = accept(Download, download, "section download").source
    checks = accept(CheckDataArgument, check_data, "section check_data")
    with tempfile.TemporaryDirectory(dir=scratch) as store:
        return resolve(source, Path(store), progress).checksum, valid_for(checks, Path(store))
