"""Checkouts of releases: kept while they are used."""

import os
import subprocess
import time

from tabpipe.runs.releases import checkout, commit_of

DAY = 86400


def test_a_checkout_goes_once_it_was_not_used_for_a_month(tmp_path, monkeypatch):
    monkeypatch.setenv("TABPIPE_HOME", str(tmp_path / "home"))
    repository = tmp_path / "repository"
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-C", str(repository)]
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    commits = []
    for number in range(4):
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", str(number)], check=True)
        commits.append(commit_of("HEAD", repository))
    forgotten, used, recent = (checkout(commit, repository) for commit in commits[:3])
    for folder, days in ((forgotten, 31), (used, 31), (recent, 29)):
        os.utime(folder, (time.time() - days * DAY,) * 2)
    assert checkout(commits[1], repository) == used
    new = checkout(commits[3], repository)
    assert not forgotten.exists() and all(folder.is_dir() for folder in (used, recent, new))
