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

_VALUES = {"--source": "source", "--from": "start", "--registry": "registry"}
_FLAGS = {"--force": "force", "--json": "json", "--no-wait": "no_wait"}


def become(options: argparse.Namespace, command: str) -> NoReturn:
    """Replaces this process by a command of a release: signals, the terminal and the exit code are then its own.

    Outputs, cache and history are those of this project. What is submitted is compiled by the release, which names its
    images.

    Args:
        options: The words of the command line.
        command: run or submit.

    Raises:
        Refusal: There is no such release.
    """
    given = vars(options)
    words = [options.config, *options.overrides]
    for name, key in _VALUES.items():
        words += [name, given[key]] if given.get(key) is not None else []
    words += ["--steps", ",".join(options.steps)] if given.get("steps") else []
    words += ["--on", "docker"] if given.get("on") == "docker" else []  # earlier releases may not know the option
    words += [name for name, key in _FLAGS.items() if given.get(key)]
    at = options.at
    folder, commit = release(at)
    python, why = python_for(folder)
    progress(f"  with the code of {redact(at)}, commit {commit[:12]}{'; ' + why if why else ''}")
    sys.stderr.flush()
    variables = {**variables_for(folder), "TABPIPE_HOME": str(home()), AT: redact(at)}
    os.execve(python, [python, "-m", "tabpipe", command, *words], variables)
