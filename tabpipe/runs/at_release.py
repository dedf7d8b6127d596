"""`run --at` and `submit --at`: a pipeline run by the code of a release, while the working tree stays as it is."""

from __future__ import annotations

import argparse
import os
import sys
from typing import NoReturn

from components.common.base.redact import redact
from tabpipe.console import progress
from tabpipe.project import home
from tabpipe.runs.provenance import AT
from tabpipe.runs.releases import python_for, release, variables_for


def run_at(options: argparse.Namespace) -> int:
    """Becomes `tabpipe run` of a release; outputs, cache and history are those of this project.

    Args:
        options: The words of the command line.

    Raises:
        Refusal: There is no such release.
    """
    words = [options.config, *options.overrides]
    for name, value in (("--source", options.source), ("--from", options.start)):
        words += [name, value] if value is not None else []
    words += ["--steps", ",".join(options.steps)] if options.steps else []
    words += ["--on", options.on] if options.on != "local" else []
    words += [flag for flag, wanted in (("--force", options.force), ("--json", options.json)) if wanted]
    _become(options.at, "run", words)


def submit_at(options: argparse.Namespace) -> int:
    """Becomes `tabpipe submit` of a release, whose own code compiles the pipeline and names its images.

    Args:
        options: The words of the command line.

    Raises:
        Refusal: There is no such release.
    """
    words = [options.config, *options.overrides]
    for name, value in (("--source", options.source), ("--registry", options.registry)):
        words += [name, value] if value is not None else []
    words += [flag for flag, wanted in (("--no-wait", options.no_wait), ("--json", options.json)) if wanted]
    _become(options.at, "submit", words)


def _become(at: str, command: str, words: list[str]) -> NoReturn:
    """Replaces this process by a command of a release: signals, the terminal and the exit code are then its own."""
    folder, commit = release(at)
    python, why = python_for(folder)
    progress(f"  with the code of {redact(at)}, commit {commit[:12]}{'; ' + why if why else ''}")
    sys.stderr.flush()
    variables = {**variables_for(folder), "TABPIPE_HOME": str(home()), AT: redact(at)}
    os.execve(python, [python, "-m", "tabpipe", command, *words], variables)
