"""Times a whole run of the music pipeline beside a plain script that does the same work; `make bench`.

Each round runs, in turn: the script, the script with one MLflow run, a fresh pipeline run (empty outputs: no cache,
no tracking store), and the same command again. Ratios are taken within a round, so that a machine whose speed drifts
does not bend them; medians are printed. Memory is measured in rounds of its own: the peak of the proportional set
sizes of all processes together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import psutil

from bench.serving.servers import peak_memory

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "genres_mod.parquet"
MEMORY_ROUNDS = 3
SAMPLE_EVERY = 0.05
"""Seconds between two looks at the memory."""
_OUTER_MAKE = {"MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS", "MAKELEVEL", "ARGS"}
"""What `make bench` would hand down to the `make run` that it times."""


def timed(command: list[str], env: dict[str, str]) -> float:
    """Runs a command; returns its seconds from start to exit."""
    started = time.perf_counter()
    process = _started(command, env)
    _ended(process, command)
    return time.perf_counter() - started


def peak(command: list[str], env: dict[str, str]) -> float:
    """Runs a command; returns its process tree's peak memory in MiB, shared pages counted once. Looking slows it."""
    process = _started(command, env)
    with peak_memory(psutil.Process(process.pid), SAMPLE_EVERY) as found:
        _ended(process, command)
    return found[0]


def _started(command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    inherited = {key: value for key, value in os.environ.items() if key not in _OUTER_MAKE}
    return subprocess.Popen(
        command, cwd=ROOT, env={**inherited, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def _ended(process: subprocess.Popen[bytes], command: list[str]) -> None:
    errors = process.stderr.read()
    if code := process.wait():
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{errors.decode()}")


def main() -> None:
    """Prints a table of medians and, on the last line, one JSON object."""
    parser = argparse.ArgumentParser(
        "bench", description=__doc__.splitlines()[0], epilog="example: make bench ARGS='--rounds 5'"
    )
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that warms up")
    parser.add_argument("--table", type=Path, default=REAL, help="music table, parquet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tabpipe-bench-") as name:
        table = _table(options.table, Path(name))
        _round(timed, table, Path(name))  # warms the file cache
        seconds = [_round(timed, table, Path(name)) for _ in _shown("timing", options.rounds)]
        memory = [_round(peak, table, Path(name)) for _ in _shown("memory", MEMORY_ROUNDS)]
    _print(seconds, memory, options.table)


def _shown(what: str, rounds: int) -> Iterator[int]:
    for number in range(rounds):
        print(f"{what}, round {number + 1} of {rounds} …", file=sys.stderr, flush=True)
        yield number


def _table(table: Path, scratch: Path) -> Path:
    """The real table, or the generated one on machines without."""
    if table.is_file():
        return table
    out = scratch / "generated.parquet"
    script = (
        "import sys; from components.download.download import download_file; "
        "download_file({'source': 'sample://music_genres'}, '', sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", script, str(out)], cwd=ROOT, check=True)
    return out


def _round(measure: Callable[[list[str], dict[str, str]], float], table: Path, scratch: Path) -> dict[str, float]:
    """Measures each way once, one after the other."""
    home = scratch / "home"
    shutil.rmtree(home, ignore_errors=True)
    (scratch / "mlflow.db").unlink(missing_ok=True)
    plain = [sys.executable, "bench/plain.py", str(table), str(scratch)]
    run, env = ["make", "-s", "run", "CONFIG=music_genres", f"SOURCE={table}"], {"TABPIPE_HOME": str(home)}
    measured = {
        "script": measure(plain, {}),
        "script + MLflow": measure([*plain, "--mlflow"], {}),
        "tabpipe, fresh": measure(run, env),
        "tabpipe, unchanged": measure(run, env),
    }
    deadline = time.monotonic() + 30
    while any((home / "spool").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)  # the tracker ends after the command, and would burden the next measurement
    return measured


def _print(seconds: list[dict[str, float]], memory: list[dict[str, float]], table: Path) -> None:
    median = statistics.median
    packages = ", ".join(f"{name} {version(name)}" for name in ("kfp", "mlflow", "scikit-learn", "pandas"))
    print(
        f"\n{table.name if table.is_file() else 'generated table'}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {packages}; medians of {len(seconds)} rounds\n"
    )
    print(f"{'':<20}{'seconds':>9}{'min':>8}{'max':>8}{'x script':>10}{'peak MiB':>10}{'x script':>10}")
    ratios, heavier = {}, {}
    for name in seconds[0]:
        taken = [one[name] for one in seconds]
        ratios[name] = median([one[name] / one["script"] for one in seconds])
        heavier[name] = median([one[name] / one["script"] for one in memory])
        peak = median([one[name] for one in memory])
        print(
            f"{name:<20}{median(taken):>9.2f}{min(taken):>8.2f}{max(taken):>8.2f}{ratios[name]:>10.2f}"
            f"{peak:>10.0f}{heavier[name]:>10.2f}"
        )
    result = {
        "fresh_over_script": round(ratios["tabpipe, fresh"], 3),
        "unchanged_seconds": round(median([one["tabpipe, unchanged"] for one in seconds]), 3),
        "peak_memory_over_script": round(heavier["tabpipe, fresh"], 3),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
