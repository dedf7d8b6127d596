"""`run --pipeline score` of the command line."""

from __future__ import annotations

import argparse

from components.common.base.errors import Refusal


def run_score(options: argparse.Namespace) -> int:
    """Runs the pipeline score as the command line asks for.

    Raises:
        Refusal: An option that this pipeline does not have.
    """
    for given, option in ((options.steps, "--steps"), (options.start, "--from"), (options.at, "--at")):
        if given is not None:
            raise Refusal("the pipeline score runs as a whole, with the code that is here", where=option)
    from tabpipe.runs.score_run import score

    return score(
        options.config,
        options.source,
        options.overrides,
        on=options.on,
        force=options.force,
        as_json=options.json,
    )
