"""Takes the music table many times over through the first four steps, each in a process of its own; `make bench-scale`.

Copies differ: numbers get noise and titles an ending, so that no row equals another and no column repeats itself. What
is printed is the peak of each step's resident memory and its time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from bench.main import REAL, ROOT

_STEPS = {
    "download": "from components.download.download import download_file as step\nstep({section}, '', '{folder}/raw')",
    "preprocess": "from components.preprocess.preprocess import preprocess_file as step\n"
    "step({section}, '{folder}/raw', '{folder}/clean')",
    "check_data": "from components.check_data.check_data import check_file as step\n"
    "step({section}, '{folder}/clean', '', '{folder}/accepted', '{folder}/report.html')",
    "segregate": "from components.segregate.segregate import segregate_file as step\n"
    "step({section}, '{folder}/accepted', '{folder}/train', '{folder}/validation', '{folder}/test')",
}


def write_copies(source: Path, path: Path, times: int) -> int:
    """Writes a table so many times over, with noise, a copy at a time; returns its rows."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame, random = pd.read_parquet(source), np.random.default_rng(0)
    floats = frame.select_dtypes("float").columns
    texts = [name for name in ("title", "song_name") if name in frame]
    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for copy in range(times):
            some = frame.copy()
            some[floats] *= 1 + random.normal(0, 1e-4, (len(frame), len(floats)))
            some[floats] = some[floats].clip(frame[floats].min(), frame[floats].max(), axis=1)
            for name in texts:
                some[name] = some[name] + f" {copy}"
            writer.write_table(pa.Table.from_pandas(some, schema, preserve_index=False))
    return len(frame) * times


def measured(code: str) -> tuple[float, float]:
    """Runs Python code in a process of its own; returns its seconds and its peak resident memory in MiB."""
    started = time.perf_counter()
    process = os.spawnve(os.P_NOWAIT, sys.executable, [sys.executable, "-c", code], {**os.environ, "PYTHONPATH": "."})
    _, status, usage = os.wait4(process, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("the step failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main(arguments: list[str] | None = None) -> int:
    """Measures and prints; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog="example: make bench-scale")
    parser.add_argument("--source", type=Path, default=REAL, help="the music table, parquet")
    parser.add_argument("--times", type=int, default=100, help="copies (default: 100)")
    options = parser.parse_args(arguments)
    if not options.source.is_file():
        print(f"there is no table {options.source}; name one by --source", file=sys.stderr)
        return 2
    os.chdir(ROOT)
    from tabpipe.config import load

    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.parquet"
        rows = write_copies(options.source, table, options.times)
        sections = load("music_genres", [f"download.source={table}", "check_data.rows.max=null"]).arguments("music")
        print(f"{rows:,} rows, {table.stat().st_size / 1e6:,.0f} MB of parquet\n")
        print(f"{'step':<12}{'seconds':>9}{'peak MiB':>10}")
        for name, code in _STEPS.items():
            section = repr(json.loads(sections[name]))
            seconds, peak = measured(code.format(section=section, folder=folder))
            print(f"{name:<12}{seconds:>9.1f}{peak:>10,.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
