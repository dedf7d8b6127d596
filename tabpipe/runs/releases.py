"""Code of another commit, in a folder of its own: neither the working tree nor its git folder is touched.

output/releases/
    COMMIT/               a clean checkout, kept for the next time until it was not used for a month
    repositories/HASH/    what was fetched of a git URL
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from components.common.base.errors import Refusal
from components.common.base.files import file_digest
from components.common.base.redact import redact
from tabpipe.console import progress
from tabpipe.project import ROOT, usable_home
from tabpipe.runs.provenance import LOCK

FOLDER = "releases"
"""The folder in that of outputs; no use case can have its name."""
_TAIL = 12
_KEPT = 30 * 86400
"""Seconds for which a checkout is kept that nobody uses: one with packages of its own is a gigabyte."""


def release(at: str) -> tuple[Path, str]:
    """A clean checkout of a release.

    Args:
        at: A tag, branch or commit of this checkout, or `URL@REF` of a git URL.

    Returns:
        Its folder and its commit.

    Raises:
        Refusal: There is no such release, or it cannot be fetched.
    """
    if at.startswith("-") or not at.strip():
        raise Refusal("not a tag or commit", where="--at", value=at)
    if commit := commit_of(at, ROOT):
        return checkout(commit, ROOT), commit
    url, separator, ref = at.rpartition("@")
    if separator and ref and _is_repository(url):
        repository, commit = _fetched(url, ref)
        return checkout(commit, repository), commit
    here = "" if (ROOT / ".git").exists() else " (which is no git checkout)"
    raise Refusal(
        f"there is no such tag or commit in this checkout{here}",
        where="--at",
        value=redact(at),
        rule="a tag, branch or commit of this checkout, or URL@REF of a git URL",
        mend="`git tag` lists the tags; `git fetch --tags` brings those of others",
    )


def commit_of(ref: str, repository: Path) -> str:
    """The commit that a name stands for in a repository; empty where it stands for none."""
    if not ref or ref.startswith("-"):
        return ""
    if repository == ROOT and not (ROOT / ".git").exists():
        return ""
    done = _git(repository, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    return done.stdout.strip() if done.returncode == 0 else ""


def checkout(commit: str, repository: Path) -> Path:
    """A folder with the files of a commit, made unless it is there and as the commit has it.

    It is a clone that shares the repository's objects. A worktree would write into the repository's git folder, and a
    run that is killed would leave it there.

    Args:
        commit: Its whole name.
        repository: A repository that has it.

    Raises:
        Refusal: It does not, or the disk is full.
    """
    target = usable_home() / FOLDER / commit
    if target.is_dir() and not _changed(target, commit):
        os.utime(target)
        return target
    _remove_unused(target.parent)
    beside = target.with_name(f".{commit}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.parent.mkdir(parents=True, exist_ok=True)
    try:
        _or_refuse(
            _git(None, "clone", "--quiet", "--shared", "--no-checkout", "--template=", str(repository), str(beside))
        )
        _or_refuse(_git(beside, "checkout", "--quiet", "--detach", commit))
        if target.is_dir():  # somebody has written into it
            shutil.rmtree(target)
        try:
            beside.rename(target)
        except OSError:  # another process was faster
            if _changed(target, commit):
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return target


def _remove_unused(folder: Path) -> None:
    """Removes the checkouts that were not used for long."""
    for path in folder.glob("*"):
        if re.fullmatch(r"[0-9a-f]{40}", path.name) and time.time() - path.stat().st_mtime > _KEPT:
            shutil.rmtree(path, ignore_errors=True)


def python_for(folder: Path) -> tuple[str, str]:
    """The interpreter for the code in a folder: this one if both have the same lock, else one of its own.

    Returns:
        Its path, and in words why another environment was set up; empty where none was.

    Raises:
        Refusal: The environment cannot be set up.
    """
    ours, theirs = ROOT / LOCK, folder / LOCK
    if theirs.is_file() and ours.is_file() and file_digest(ours) == file_digest(theirs):
        return sys.executable, ""
    python = folder / ".venv" / "bin" / "python"
    progress("  its packages are others than those of now: setting up an environment for it …")
    variables = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "ARGS")}
    base = getattr(sys, "_base_executable", None) or sys.executable
    command = ["make", "-C", str(folder), "setup", f"PYTHON={base}", "VENV=.venv"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode or not python.is_file():
        tail = "\n    ".join((done.stdout + done.stderr).splitlines()[-_TAIL:])
        raise Refusal(
            f"its environment cannot be set up\n    {tail}",
            where=str(folder),
            mend=f"try it by hand: make -C {folder} setup",
        )
    return str(python), "its lock of packages is another than that of now; it ran in an environment of its own"


def variables_for(folder: Path) -> dict[str, str]:
    """The environment in which `python -m tabpipe` is the one of a folder, whatever the current folder is."""
    path = os.pathsep.join(part for part in (str(folder), os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}


def _fetched(url: str, ref: str) -> tuple[Path, str]:
    """A bare repository that holds what a git URL has now, and the commit that a name stands for there."""
    repository = usable_home() / FOLDER / "repositories" / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not (repository / "HEAD").is_file():
        _or_refuse(_git(None, "init", "--quiet", "--bare", "--template=", str(repository)))
    if len(ref) == 40 and (commit := commit_of(ref, repository)):
        return repository, commit
    refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
    done = _git(repository, "fetch", "--quiet", "--prune", "--no-write-fetch-head", "--", url, *refs)
    if done.returncode:
        words = done.stderr.strip().replace(url, redact(url))
        raise Refusal(f"the repository cannot be fetched ({words})", where=redact(url), mend="is the URL right?")
    if commit := commit_of(ref, repository):
        return repository, commit
    raise Refusal("there is no such tag or commit", where=redact(url), value=ref)


def _is_repository(url: str) -> bool:
    """Whether what stands before the last @ can be a git URL: `ssh://git` of `ssh://git@host/name` cannot."""
    _, separator, rest = url.partition("://")
    return "/" in rest if separator else ":" in url or Path(url).is_dir()


def _changed(folder: Path, commit: str) -> bool:
    head = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    return head.stdout.strip() != commit or status.returncode != 0 or bool(status.stdout.strip())


def _git(folder: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    where = ["-C", str(folder)] if folder else []
    variables = {key: value for key, value in os.environ.items() if key not in ("GIT_DIR", "GIT_WORK_TREE")}
    try:
        return subprocess.run(
            ["git", "-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false", *where, *arguments],
            capture_output=True,
            text=True,
            env={**variables, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
        )
    except FileNotFoundError:
        return subprocess.CompletedProcess(arguments, 127, "", "git is not installed")


def _or_refuse(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        raise Refusal(f"git says: {done.stderr.strip() or 'no'}", where="checkout of another commit")
