"""The section `serve` of a config as the variables by which the server is told."""

from __future__ import annotations

from components.common.config.serve import Serve

PREFIX = "TABPIPE_SERVE_"


def variables_of(serve: Serve, model: str, challenger: str, log: str) -> dict[str, str]:
    """The variables of the server.

    Args:
        serve: The section.
        model: The address of the model.
        challenger: That of the second model, which is named only if the section gives it something to do.
        log: Where requests and predictions are kept if the section says `true`.
    """
    limits = serve.limits
    told = {
        "MODEL": model,
        "EXTRA_COLUMNS": serve.extra_columns,
        "MAX_BYTES": str(limits.bytes),
        "MAX_ROWS": str(limits.rows),
        "MAX_CELL": str(limits.cell),
        "TIMEOUT": str(limits.timeout),
        "WAITING": str(limits.waiting),
        "POLL": str(serve.poll),
        "DRAIN": str(serve.drain),
    }
    if serve.id_column:
        told["ID_COLUMN"] = serve.id_column
    if serve.log:
        told["LOG"] = serve.log if isinstance(serve.log, str) else log
    if serve.challenger.fraction or serve.challenger.shadow:
        told["CHALLENGER"] = challenger
        told["FRACTION"] = f"{serve.challenger.fraction:g}"
        told["SHADOW"] = str(serve.challenger.shadow).lower()
    return {PREFIX + name: value for name, value in told.items()}


def seconds_to_end(serve: Serve) -> int:
    """How long a server that is told to end may take: it drains, answers what it was asked, and writes its log."""
    return serve.drain + 3 * serve.limits.timeout
