"""Times a whole run of the music pipeline beside a plain script that does the same work; `make bench`.

Each round runs, in turn: the script, the script with one MLflow run, a fresh pipeline run (empty outputs: no cache,
no tracking store), and the same command again. Ratios are taken within a round, so that a machine whose speed drifts
does not bend them; medians are printed. Memory is the peak of the proportional set sizes of all processes together.
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
import threading
import time
from importlib.metadata import version
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
REAL = Path(os.environ.get("TABPIPE_SHARED_DATA", ROOT.parent / "shared" / "data")) / "genres_mod.parquet"
SAMPLE_EVERY = 0.05


def measure(command: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Runs a command; returns its seconds and its process tree's peak memory in MiB."""
    peak, done = [0.0], threading.Event()
    started = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **env}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )

    def watch() -> None:
        root = psutil.Process(process.pid)
        while not done.wait(SAMPLE_EVERY):
            total = 0
            try:
                for member in [root, *root.children(recursive=True)]:
                    try:
                        total += member.memory_full_info().pss
                    except psutil.Error:
                        continue
            except psutil.Error:
                continue
            peak[0] = max(peak[0], total / 2**20)

    watcher = threading.Thread(target=watch) if sys.platform == "linux" else None
    if watcher:
        watcher.start()
    errors = process.stderr.read()
    code = process.wait()
    seconds = time.perf_counter() - started
    done.set()
    if watcher:
        watcher.join()
    if code:
        raise SystemExit(f"{' '.join(command)} ended with {code}:\n{errors.decode()}")
    return seconds, peak[0]


def main() -> None:
    """Prints a table of medians and, on the last line, one JSON object."""
    parser = argparse.ArgumentParser(
        "bench", description=__doc__.splitlines()[0], epilog="example: make bench ARGS='--rounds 5'"
    )
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds, after one that warms up")
    parser.add_argument("--table", type=Path, default=REAL, help="music table, parquet")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tabpipe-bench-") as name:
        rounds = _rounds(Path(name), options)
    _print(rounds, options)


def _rounds(scratch: Path, options: argparse.Namespace) -> list[dict[str, tuple[float, float]]]:
    table = options.table
    if not table.is_file():
        table = scratch / "sample.parquet"
        code = "from components.download.download import write_sample; import sys; write_sample('music_genres', sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, str(table)], cwd=ROOT, check=True)
    plain = [sys.executable, "bench/plain.py", str(table), str(scratch)]
    home = scratch / "home"
    env = {"TABPIPE_HOME": str(home)}
    run = ["make", "-s", "run", "CONFIG=music_genres", f"SOURCE={table}"]
    rounds = []
    for number in range(options.rounds + 1):
        shutil.rmtree(home, ignore_errors=True)
        (scratch / "mlflow.db").unlink(missing_ok=True)
        timed = {"script": measure(plain, {}), "script + MLflow": measure([*plain, "--mlflow"], {})}
        timed["tabpipe, fresh"] = measure(run, env)
        unchanged = measure(run, env)
        _wait_for_tracker(home)  # it ends after the command, and would burden the next measurement
        timed["tabpipe, unchanged"] = unchanged
        print(f"round {number}: " + ", ".join(f"{key} {value[0]:.2f} s" for key, value in timed.items()), flush=True)
        if number:
            rounds.append(timed)
    return rounds


def _wait_for_tracker(home: Path) -> None:
    deadline = time.monotonic() + 30
    while any((home / "spool").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.05)


def _print(rounds: list[dict[str, tuple[float, float]]], options: argparse.Namespace) -> None:
    def median(values: list[float]) -> float:
        return statistics.median(values)

    packages = ", ".join(f"{name} {version(name)}" for name in ("kfp", "mlflow", "scikit-learn", "pandas"))
    print(
        f"\n{options.table.name}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}; "
        f"medians of {len(rounds)} rounds\n"
    )
    print(f"{'':<20}{'seconds':>9}{'min':>8}{'max':>8}{'x script':>10}{'peak MiB':>10}")
    for name in rounds[0]:
        seconds = [one[name][0] for one in rounds]
        ratio = median([one[name][0] / one["script"][0] for one in rounds])
        memory = median([one[name][1] for one in rounds])
        print(f"{name:<20}{median(seconds):>9.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}{ratio:>10.2f}{memory:>10.0f}")
    print(
        json.dumps(
            {
                "fresh_over_script": round(median([one["tabpipe, fresh"][0] / one["script"][0] for one in rounds]), 3),
                "unchanged_seconds": round(median([one["tabpipe, unchanged"][0] for one in rounds]), 3),
                "peak_memory_over_script": round(
                    median([one["tabpipe, fresh"][1] / one["script"][1] for one in rounds]), 3
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
