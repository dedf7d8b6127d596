"""Measures the server beside `mlflow models serve` of the same model on this machine; `make bench-serving`.

Each round starts both servers, lets them take turns in each measurement, and stops them. Ratios are taken within a
round, so that a machine whose speed drifts does not bend them; medians are printed. Both are asked the same rows of the
test split by the same requests, over connections that are kept; their predictions must be the same. The load generator
is a process of its own, and what it achieves against a server that only echoes is measured too. Memory is watched in a
measurement of its own: the peak of the proportional set sizes of all processes of a server together.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench.serving.model import Trained, bodies, trained
from bench.serving.report import OURS, PHASES, THEIRS, Agreement, medians, ratios, table
from bench.serving.servers import ROOT, Server, commands, free_port, inherited, peak_memory, serving

_ROWS = 2000
_WARM = 0.3
"""Seconds before each measurement that are not counted."""
_PACKAGES = ("mlflow", "scikit-learn", "onnxruntime", "uvicorn", "orjson", "numpy")


def main() -> int:
    """Prints a table and, on the last line, one JSON document; 0 if both servers predict the same, else 1."""
    options = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended like Ctrl-C: in order
    try:
        with tempfile.TemporaryDirectory(prefix="tabpipe-bench-") as name:
            return _bench(options, Path(name))
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "bench.serving", description=__doc__.splitlines()[0], epilog="example: make bench-serving ARGS='--rounds 5'"
    )
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of the training: train.max_depth=13")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default: 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each of the four measurements (default: 3)")
    parser.add_argument("--source", default="", help="music table; by default the real one, else the generated one")
    parser.add_argument("--json", action="store_true", help="print the JSON document alone")
    return parser


def _bench(options: argparse.Namespace, scratch: Path) -> int:
    _say("training the model, or taking it from the cache …")
    model = trained(options.source, options.overrides, _ROWS)
    requests = {rows: _kept(scratch / f"{rows}.jsonl", bodies(model, rows)) for rows in (1, 100)}
    agreement, rounds = Agreement(), []
    for number in range(options.rounds):
        _say(f"round {number + 1} of {options.rounds}: starting both servers …")
        rounds.append(_round(number, options.seconds, model, requests, agreement, scratch))
    _say("the load generator against a server that only echoes …")
    echo = _echo(rounds[0][OURS], requests, scratch, min(options.seconds, 1.0))
    found = ratios(rounds)
    document = {
        "ratios": found,
        "rows_per_second_100_is_of": "1 client",
        "equal_predictions": not agreement.differences,
        "rows_compared": {"by single rows": agreement.compared(1), "by 100 rows": agreement.compared(100)},
        "medians": medians(rounds),
        "echo": echo,
        "rounds": [_without_predictions(one) for one in rounds],
        "seconds": options.seconds,
        "cores": os.cpu_count(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "source": model.source,
    }
    if not options.json:
        _show(model, document, table(rounds, found), len(rounds))
    print(json.dumps(document))
    for difference in agreement.differences:
        _say(f"predictions differ: {difference}")
    return 1 if agreement.differences else 0


def _kept(path: Path, lines: list[bytes]) -> Path:
    path.write_bytes(b"\n".join(lines))
    return path


def _round(
    number: int,
    seconds: float,
    model: Trained,
    requests: dict[int, Path],
    agreement: Agreement,
    scratch: Path,
) -> dict[str, dict[str, Any]]:
    """Measures both servers, one after the other in each phase; who is first changes from round to round."""
    first = requests[1].read_bytes().split(b"\n", 1)[0]
    with ExitStack() as running:
        servers: list[Server] = []
        for name in (THEIRS, OURS):
            port = free_port()
            command, env = commands(model.folder, port, scratch)[name]
            log = scratch / f"{name}-{number}.log"
            servers.append(running.enter_context(serving(name, command, env, port, first, log)))
        turns = servers if number % 2 == 0 else servers[::-1]
        told: dict[str, dict[str, Any]] = {one.name: {"start_s": one.start} for one in servers}
        for one in turns:  # every row once, so that each is compared however slow a server is
            count = len(requests[100].read_bytes().splitlines())
            asked = _loaded(scratch, one, requests[100], clients=1, seconds=0, least=count)
            agreement.note(one.name, 100, _numbered(asked))
        for phase, (clients, rows) in PHASES.items():
            for one in turns:
                _say(f"  {phase}: {one.name} …")
                before = one.processor()
                measured = _loaded(
                    scratch, one, requests[rows], clients=clients, seconds=seconds, warm=_WARM, first=number * 97
                )
                agreement.note(one.name, rows, _numbered(measured))
                measured["cpu_ms"] = 1000 * (one.processor() - before) / measured["asked"]
                told[one.name][phase] = measured
        for one in turns:
            with peak_memory(one.process) as peak:
                for rows in (1, 100):
                    _loaded(scratch, one, requests[rows], clients=8, seconds=min(seconds, 1.0))
            told[one.name]["memory_mib"] = peak[0]
    return told


def _loaded(scratch: Path, server: Server, requests: Path, **job: Any) -> dict[str, Any]:
    """What the load generator tells of a server."""
    path = scratch / "job.json"
    path.write_text(json.dumps({"host": "127.0.0.1", "port": server.port, "bodies": str(requests), **job}))
    command = [sys.executable, "-m", "bench.serving.load", str(path)]
    done = subprocess.run(command, cwd=ROOT, env=inherited(), capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{server.name} under load: {done.stderr[-3000:]}\nit said:\n{server.said()}")
    return json.loads(done.stdout)


def _numbered(measured: dict[str, Any]) -> dict[int, list[Any]]:
    return {int(number): found for number, found in measured["predicted"].items()}


def _echo(ours: dict[str, Any], requests: dict[int, Path], scratch: Path, seconds: float) -> dict[str, Any]:
    """What the load generator achieves where answers of the same size cost nothing."""
    found = {}
    for phase, (clients, rows) in PHASES.items():
        port = free_port()
        command = [sys.executable, "-m", "bench.serving.echo", str(port), str(ours[phase]["answer_bytes"])]
        first = requests[1].read_bytes().split(b"\n", 1)[0]
        with serving("echo", command, {}, port, first, scratch / "echo.log") as server:
            told = _loaded(scratch, server, requests[rows], clients=clients, seconds=seconds, warm=_WARM)
        found[phase] = {name: round(told[name], 4) for name in ("per_second", "p50_ms", "p99_ms", "cpu")}
    return found


def _without_predictions(one: dict[str, dict[str, Any]]) -> dict[str, Any]:
    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: kept(inner) for name, inner in value.items() if name != "predicted"}
        return round(value, 4) if isinstance(value, float) else value

    return kept(one)


def _show(model: Trained, document: dict[str, Any], lines: list[str], rounds: int) -> None:
    versions = ", ".join(f"{name} {number}" for name, number in document["versions"].items())
    size = sum(path.stat().st_size for path in model.folder.rglob("*") if path.is_file())
    compared, echo = document["rows_compared"], document["echo"]
    print(
        f"\nmusic_genres of {Path(model.source).name}, model of {size / 1e6:.0f} MB, {len(model.rows):,} rows of its "
        f"test split;\n{document['cores']} cores; {versions};\n"
        f"medians of {rounds} rounds, {document['seconds']:g} s for "
        "each number; each server with its defaults\n"
    )
    print("\n".join(lines))
    single, eight = echo["1 client, 1 row"], echo["8 clients, 1 row"]
    print(
        f"\nThe load generator against a server that only echoes answers of this size: p50 {single['p50_ms']:.2f} ms, "
        f"{eight['per_second']:,.0f} requests/s with 8 clients, "
        f"{100 * echo['8 clients, 100 rows']['per_second']:,.0f} rows/s of 100-row requests."
    )
    outcome = "DIFFER" if not document["equal_predictions"] else "are equal"
    print(
        f"Predictions {outcome}: {compared['by 100 rows']:,} rows in requests of 100, "
        f"{compared['by single rows']:,} of them also one by one.\n"
    )


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
