"""Running a kept run again: its code, its config, its data, in a folder of outputs where nothing is cached."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.compile.images import image_of
from tabpipe.project import ROOT, home
from tabpipe.runs import provenance
from tabpipe.runs.find import Kept
from tabpipe.runs.releases import FOLDER, checkout, commit_of, python_for, variables_for
from tabpipe.runs.run_sources import Found

_OURS = re.compile(rf"{provenance.AT}|TABPIPE_ARTIFACTS(_.*)?|MLFLOW_(TRACKING_URI|EXPERIMENT_ID|RUN_ID)")
"""Variables that would let a rerun write where the user's own runs do."""
_PATIENCE = 15.0
"""Seconds that an interrupted rerun has to end in order."""


def refuse_unfit(run: Kept) -> None:
    """Refuses runs that cannot be made again."""
    where, config = f"run {run.run_id}", run.config
    if run.summary.get("state") != "succeeded":
        raise Refusal(f"it {run.summary.get('state')}", where=where, rule="a run that ended well can be reproduced")
    if not run.outputs or not run.code or not config:
        raise Refusal(
            "it has not noted its code and its outputs",
            where=where,
            rule="runs of earlier versions of tabpipe cannot be reproduced",
            mend="run it anew; tabpipe runs show tells its config",
        )
    lent = [
        step["name"] for step in run.summary["steps"] if step["name"] not in config and step["state"] == "succeeded"
    ]
    if lent or any(step["state"] != "succeeded" for step in run.summary["steps"]):
        words = f"took the outputs of {', '.join(lent)} from an earlier run" if lent else "did not run all steps"
        raise Refusal(f"it {words}", where=where, rule="a whole run can be reproduced, not one of --steps or --from")


def code_of(run: Kept) -> tuple[Path, list[str]]:
    """A folder with the code of a run: the project as it is, where that is the same code, else a clean checkout.

    Returns:
        The folder, and what is worth knowing of it where results differ.

    Raises:
        Refusal: No commit holds it, and the project has other code by now.
    """
    commit, clean = run.code.get("commit"), run.code.get("clean")
    model = str((run.config.get("train") or {}).get("model", ""))
    same = all(image_of(step, model=model) == image for step, image in run.code.get("images", {}).items())
    if commit and clean and provenance.state(ROOT) == (commit, True):
        return ROOT, []
    if same and not clean:  # made with what no commit holds, but the steps are still those
        return ROOT, []
    repository = _holder(commit) if commit else None
    if not commit or repository is None:
        if same:
            return ROOT, [f"its commit {commit} is not in this checkout; the steps' code is the same"]
        raise Refusal(
            f"its commit {commit} is not in this checkout" if commit else "it was made with code of no commit",
            where=f"run {run.run_id}",
            rule="the project has other code now",
            mend="git fetch --all --tags (and --unshallow, in a shallow clone)" if commit else "run it anew",
        )
    words = [] if clean else ["the run was made with changes that its commit does not hold, and the rerun without them"]
    return checkout(commit, repository), words


def _holder(commit: str) -> Path | None:
    """A repository that has a commit: the project, or one that `run --at URL@REF` fetched."""
    for repository in [ROOT, *sorted((home() / FOLDER / "repositories").glob("*"))]:
        if commit_of(commit, repository) == commit:
            return repository
    return None


def rerun(run: Kept, folder: Path, fresh: Path, name: str, source: Found, on: str) -> tuple[dict[str, Any], list[str]]:
    """Runs a run's config again; its progress is seen on stderr.

    Args:
        run: The run.
        folder: The project with its code.
        fresh: The folder of outputs.
        name: What the use case is called there.
        source: Its data.
        on: local or docker.

    Returns:
        The summary, and what is worth knowing where results differ.
    """
    python, words = python_for(folder)
    config = _write_config(run, fresh / f"{name}.yaml", source)
    command = [python, "-m", "tabpipe", "run", str(config), "--json", *(["--on", on] if on != "local" else [])]
    variables = {key: value for key, value in variables_for(folder).items() if not _OURS.fullmatch(key)}
    variables["TABPIPE_HOME"] = str(fresh)
    # In a session of its own Ctrl-C does not reach it as well as this process, which ends it in order.
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            printed, _ = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
                process.wait(_PATIENCE)
            process.kill()
            raise
    try:
        return json.loads(printed), [words] if words else []
    except ValueError:
        return {"state": "failed", "error": f"the rerun ended with exit code {process.returncode}"}, []


def _write_config(run: Kept, path: Path, source: Found) -> Path:
    import yaml

    config = run.config
    config.pop("cluster", None)  # results do not hang on it, and it changes most from release to release
    config["download"]["source"] = os.path.abspath(source.source) if "://" not in source.source else source.source
    if source.parquet:
        config["download"]["format"] = "parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(_literal(config), sort_keys=False))
    return path


def _literal(value: Any) -> Any:
    """Values that OmegaConf reads as they are: what looks like a reference to another value is none."""
    if isinstance(value, dict):
        return {key: _literal(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return value.replace("${", "\\${") if isinstance(value, str) else value
