"""What tests of whole runs share: the command line as a user starts it, and a small table with a config of its own."""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from tabpipe.engines import (
    fork_client,
    kfp_light,  # noqa: F401 - before all that imports kfp: its clients take half a second to import
)
from tests.forked import Forked

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", ROOT.parent / "shared" / "data"))

RUNS = {"tabpipe", "finished", "mlflow", "any_registry", "minio", "moto", "bucket", "real_table"}
"""Fixtures that run pipelines, are servers of other projects, or tables that take a while to learn from."""

forks = pytest.mark.skipif(not fork_client.available(), reason="steps are forked on Linux only")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what goes to the background deaf to Ctrl-C, and what a deaf process starts is deaf as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the tests that use a run or a server of a fixture; lets files with such tests begin before the others.

    A long file that begins last is waited for by one process, while the others have nothing to do.
    """
    for item in items:
        chosen = item.callspec.params.values() if hasattr(item, "callspec") else ()
        servers = [value for value in chosen if isinstance(value, str) and value in ("s3", "minio")]
        if servers or RUNS.intersection(item.fixturenames):
            item.add_marker("run")
    long = {item.path for item in items if item.get_closest_marker("run")}
    items.sort(key=lambda item: (item.path.name != "test_docs.py", item.path not in long))


def real_table(name):
    """A real table, or a skipped test where the machine has none."""
    if not (REAL / name).is_file():
        pytest.skip(f"the real table {name} is not on this machine")
    return str(REAL / name)


def command_line(*arguments, env=None, timeout):
    """Runs a command of tabpipe in a process of its own, a fork where that will do."""
    return ended([sys.executable, "-m", "tabpipe", *arguments], ROOT, {**os.environ, **(env or {})}, timeout)


def ended(command, cwd, env, timeout):
    """Runs a command to its end. One that takes too long fails with where each of its processes was, and their logs."""
    began = time.time()
    process = Forked(
        command,
        cwd=cwd,
        env={**env, "PYTHONFAULTHANDLER": "1"},  # SIGABRT makes a Python write its stack
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        pids = [*sorted(below(process.pid), reverse=True), process.pid]
        told = [_where(pid) for pid in pids]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGABRT)
                time.sleep(0.5)
        told += process.communicate()
        logs = Path(env.get("TABPIPE_HOME", cwd)).glob("*/*/*/logs/*.log")
        for log in (log for log in logs if log.stat().st_mtime > began):
            before, mark, stack = log.read_text(errors="replace").partition("Fatal Python error")
            told.append(f"--- {log.name}\n{before[-300:]}{mark}{stack.partition('Extension modules')[0]}")
        pytest.fail(f"{command} took over {timeout} s\n" + "\n".join(told), pytrace=False)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def _where(pid):
    """What the kernel says of a process: its state, its threads, the signals that wait."""
    try:
        status = Path(f"/proc/{pid}/status").read_text().splitlines()
        names = ("State", "PPid", "Threads", "SigPnd", "ShdPnd", "SigBlk", "SigCgt")
        threads = [task.joinpath("wchan").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
        command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")[:200]
    except OSError as error:
        return f"{pid}: {error}"
    return f"{pid} {command}: {[line for line in status if line.split(':')[0] in names]} {threads}"


def all_tracked(home):
    """Waits until the trackers, which go on beside and after the runs, have written all that runs have left."""
    deadline = time.monotonic() + 60
    while any((home / "spool").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any((home / "spool").glob("*")), "something could not be tracked"


def tracked(home, experiment="fruit"):
    """The runs of an experiment, once all trackers are done."""
    from mlflow import MlflowClient

    all_tracked(home)
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def below(pid, depth=99):
    """The processes that a process has started, and those that these have, so many generations."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in listed.splitlines())}
    found = {pid}
    while depth and (more := {child for child, parent in parents.items() if parent in found} - found):
        found, depth = found | more, depth - 1
    return found - {pid}


def begun(home, step, process):
    """Waits until a step of a run has a log and a process."""
    while not list(home.glob(f"*/runs/*/logs/{step}.log")) or not below(process.pid):
        assert process.poll() is None, "the run has ended before"
        time.sleep(0.02)


def gone(pids):
    """Whether processes have ended, some seconds from now at the latest."""
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.fixture
def tabpipe(tmp_path):
    """Runs `tabpipe run` in a process of its own, with its outputs in the test's folder.

    Returns exit code, the JSON document (None without one), and what was printed on stderr.
    """

    def run(*arguments, env=None, root=ROOT, home=tmp_path / "home"):
        command = [sys.executable, "-m", "tabpipe", "run", "--json", *map(str, arguments)]
        environment = {**os.environ, "TABPIPE_HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        return result(ended(command, root, environment, 240))

    return run


def result(done):
    """What a run with --json came to."""
    document = json.loads(done.stdout) if done.stdout.strip() else None
    steps = (document or {}).get("steps", [])
    states = {step["name"]: step["state"] for step in steps}
    ran = {step["name"] for step in steps if step["state"] == "succeeded" and not step["cached"]}
    return SimpleNamespace(code=done.returncode, document=document, states=states, ran=ran, err=done.stderr)


@pytest.fixture(scope="session")
def for_all(tmp_path_factory):
    """A folder that the processes of the tests have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "for-all"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def finished(for_all):
    """Fills a folder with the outputs of a good run, which is made once for all tests; returns what it came to."""

    def fill(home, config="iris", *arguments):
        name = hashlib.sha256(repr((str(config), arguments)).encode()).hexdigest()[:16]
        kept, printed = for_all / name, for_all / f"{name}.json"
        with (for_all / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not printed.is_file():
                variables = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
                command = [sys.executable, "-m", "tabpipe", "run", str(config), "--json", *arguments]
                done = ended(command, ROOT, {**variables, "TABPIPE_HOME": str(kept)}, 280)
                assert done.returncode == 0, done.stderr
                all_tracked(kept)
                printed.write_text(json.dumps([done.stdout, done.stderr]))
        home.mkdir(exist_ok=True)
        subprocess.run(["cp", "-a", f"{kept}/.", str(home)], check=True)
        _moved(home, str(kept), str(home))
        out, err = (text.replace(str(kept), str(home)) for text in json.loads(printed.read_text()))
        return result(subprocess.CompletedProcess([], 0, out, err))

    return fill


def _moved(home, before, after):
    """Says everywhere in a folder of outputs where it is now."""
    for path in home.rglob("*.json"):
        if before in (text := path.read_text()):
            state = path.stat()
            path.write_text(text.replace(before, after))
            os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    with contextlib.closing(sqlite3.connect(home / "mlflow.db")) as store, store:
        tables = [name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for _, column, kind, *_ in store.execute(f"PRAGMA table_info({table})").fetchall():
                if kind.startswith(("VARCHAR", "TEXT")):
                    change = f"UPDATE {table} SET {column} = replace({column}, ?, ?) WHERE instr({column}, ?)"
                    store.execute(change, (before, after, before))


def fruit(rows=120, seed=0):
    """A small table with a column of every kind: three fruits by weight, size, a note and a date."""
    random = np.random.default_rng(seed)
    label = random.choice(["apple", "melon", "plum"], rows)
    weight = np.select([label == "apple", label == "melon"], [150.0, 1200.0], 40.0) * random.normal(1, 0.1, rows)
    return pd.DataFrame(
        {
            "id": np.arange(rows),
            "weight": weight.round(1),
            "size": np.where(weight > 500, "L", np.where(weight > 90, "M", "S")),
            "note": random.choice(["sweet and red", "green", "very ripe", "from the south"], rows),
            "picked": pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 200, rows), "D"),
            "label": label,
        }
    )


FRUIT = {
    "target": "label",
    "columns": {
        "id": "identifier",
        "weight": "numerical",
        "size": "categorical",
        "note": "text",
        "picked": "date",
        "label": "categorical",
    },
    "download": {"source": "fruit.csv"},
    "check_data": {
        "rows": {"min": 20, "max": 1000},
        "columns": {
            "weight": {"range": [1, 3000]},
            "size": {"classes": ["S", "M", "L"]},
            "id": {"unique": True},
            "label": {"classes": ["apple", "melon", "plum"]},
            "note": {"missing": 0.5},
        },
    },
    "train": {"model": "random_forest", "n_estimators": 5},
}


@pytest.fixture
def fruit_run(finished, for_all, tmp_path):
    """A good run of the fruit table in the test's home: what it came to, and its config as `case`."""
    folder = for_all / "fruit"
    if not (folder / "fruit.yaml").is_file():
        made = tmp_path / "made"
        made.mkdir()
        fruit().to_csv(made / "fruit.csv", index=False)
        (made / "fruit.yaml").write_text(yaml.safe_dump({**FRUIT, "download": {"source": str(folder / "fruit.csv")}}))
        with contextlib.suppress(OSError):  # another process was first
            made.rename(folder)
    run = finished(tmp_path / "home", folder / "fruit.yaml")
    run.case = folder / "fruit.yaml"
    return run


@pytest.fixture
def fruit_case(tmp_path):
    """Writes a fruit table and its config; returns the config's path. Both can be changed on the way."""

    def write(change=lambda table: table, config=None, text=None):
        source = tmp_path / "fruit.csv"
        if text is None:
            change(fruit()).to_csv(source, index=False)
        else:
            source.write_bytes(text)
        case = {**FRUIT, "download": {"source": str(source)}, **(config or {})}
        path = tmp_path / "fruit.yaml"
        path.write_text(yaml.safe_dump(case, sort_keys=False))
        return path

    return write
