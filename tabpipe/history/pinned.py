"""`run --at`: a pipeline run by the code of a release, while the working tree stays as it is."""

from __future__ import annotations

import argparse
import os
import sys

from components.common.sources import redact
from tabpipe.history.provenance import AT
from tabpipe.history.releases import python_for, release, variables_for
from tabpipe.workspace import home


def run_at(options: argparse.Namespace) -> int:
    """Becomes `tabpipe run` of a release; outputs, cache and history are those of this project.

    Args:
        options: The words of the command line.

    Raises:
        Refusal: There is no such release.
    """
    folder, commit = release(options.at)
    python, why = python_for(folder)
    print(f"  with the code of {redact(options.at)}, commit {commit[:12]}{'; ' + why if why else ''}", file=sys.stderr)
    words = [options.config, *options.overrides]
    for name, value in (("--source", options.source), ("--from", options.start)):
        words += [name, value] if value is not None else []
    words += ["--steps", ",".join(options.steps)] if options.steps else []
    words += ["--on", options.on] if options.on != "local" else []
    words += [flag for flag, wanted in (("--force", options.force), ("--json", options.json)) if wanted]
    sys.stderr.flush()
    variables = {**variables_for(folder), "TABPIPE_HOME": str(home()), AT: redact(options.at)}
    # The process is replaced, so that signals, the terminal and the exit code are the release's own.
    os.execve(python, [python, "-m", "tabpipe", "run", *words], variables)
