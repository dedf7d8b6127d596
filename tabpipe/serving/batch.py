"""`tabpipe predict`: from the command line's words to the table of predictions, and what is said of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, no_space
from components.common.batch import Tally, TooManyRefused, Wanted, format_named, open_table, percentage, predict_table
from components.common.sources import parse, parts_of, paths_of
from components.common.tables.formats import STREAM
from tabpipe.cluster.store_options import placed
from tabpipe.console import error, progress
from tabpipe.reading_options import reading_of
from tabpipe.serving.model_folder import LocalModel, find_model

_SHOWN = 5
"""Reasons of refusals that are told."""
_PAUSE = 2.0
"""Seconds between two words about how far it is."""

_MOST_AT_ONCE = 10_000_000


def predict(options: argparse.Namespace) -> int:
    """Lets a model answer a table; returns the exit code: 0 done, 1 too many rows were refused."""
    started = time.monotonic()
    form = options.to or format_named(options.out)
    rejects = options.rejects or _beside(options.out)
    paths = paths_of(options.table)
    _refuse_same(options, rejects)
    if not 1 <= options.chunk <= _MOST_AT_ONCE:
        rule = f"1 to {_MOST_AT_ONCE:,}"
        raise Refusal("not a number of rows", where="--chunk", value=options.chunk, rule=rule)
    with placed(options):
        model = find_model(options.model, options.store)

    from components.common.inference import load_predictor

    predictor = load_predictor(model.folder)
    reading = predictor.read_as(reading_of(options, predictor.reading))
    wanted = Wanted(
        options.ids or options.keep,
        options.probabilities,
        model.version,
        options.max_rejects,
        options.max_unknown,
        options.intervals,
    )
    progress = _Progress()
    try:
        with open_table(paths, reading, rows=options.chunk) as table:
            tally = predict_table(
                predictor, table, options.out, wanted, rejects=rejects, form=form, progress=progress.told
            )
    except TooManyRefused as refusal:
        progress.over()
        error(str(refusal))
        if options.json:
            print(json.dumps({"state": "failed", "error": str(refusal)}))
        return 1
    except BrokenPipeError:  # nobody reads any more (`| head`)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as fault:
        if (message := no_space(fault)) is None:
            raise
        raise Refusal(message) from None
    finally:
        progress.over()
    _tell(options, model, tally, rejects, time.monotonic() - started, predictor)
    return 0


def _beside(out: str) -> str | None:
    """The file of refused rows: `.rejects` before the ending of OUT; none beside standard output."""
    if out == STREAM:
        return None
    path = Path(out)
    endings = [ending for ending in path.suffixes[-2:] if len(path.suffixes) < 2 or path.suffix == ".gz"]
    ending = "".join(endings) if path.suffix == ".gz" else path.suffix
    return str(path.with_name(path.name.removesuffix(ending) + ".rejects" + ending))


def _refuse_same(options: argparse.Namespace, rejects: str | None) -> None:
    """Refuses to write over the table, or two files under one name."""
    names = {"IN": options.table, "OUT": options.out, "--rejects": rejects}
    seen: dict[Path, str] = {}
    parts = parts_of(parse(options.table))
    for what, name in names.items():
        if name is None or name == STREAM:
            continue
        if other := seen.get(path := Path(name).resolve()):
            raise Refusal(f"{what} and {other} are the same file", where=name, mend="name another one")
        if what != "IN" and parts and path.parent == Path(parts.folder).resolve() and parts.holds(path.name):
            raise Refusal(f"{what} would be a part file of IN", where=name, mend="name another folder")
        seen[path] = what


class _Progress:
    """Says on stderr how far it is, on one line of a terminal, else in a line now and then."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        self._live, self._written = sys.stderr.isatty(), False

    def told(self, rows: int, share: float | None) -> None:
        """Rows that are done, and which share of the table they are."""
        now = time.monotonic()
        if now - self._last < (_PAUSE / 4 if self._live else _PAUSE):
            return
        self._last = now
        words = f"  {rows:,} rows{'' if share is None else f', {100 * min(share, 1):.0f} %'}"
        words += f", {rows / (now - self._started):,.0f} a second"
        print(f"\r{words:<60}" if self._live else words, end="" if self._live else "\n", file=sys.stderr, flush=True)
        self._written = self._live

    def over(self) -> None:
        """Clears the line."""
        if self._written:
            print(f"\r{'':<60}\r", end="", file=sys.stderr, flush=True)
            self._written = False


def _tell(
    options: argparse.Namespace, model: LocalModel, tally: Tally, rejects: str | None, seconds: float, predictor: Any
) -> None:
    """Says what came of it: on stdout, or on stderr where stdout holds predictions."""
    reasons = tally.reasons.most_common()
    if options.json:
        document = {
            "state": "succeeded",
            "model": model.name,
            "model_version": model.version,
            "answered_by": predictor.path,
            "out": options.out,
            "rejects": rejects if tally.refused and rejects else None,
            "seconds": round(seconds, 3),
            **tally.document(predictor.complete),
        }
        print(json.dumps(document, ensure_ascii=False), file=sys.stderr if options.out == STREAM else sys.stdout)
        return
    out = sys.stderr if options.out == STREAM else sys.stdout
    print(
        f"  {tally.answered:,} of {tally.rows:,} rows answered by {model.name} {model.version} in {seconds:.1f} s"
        + ("" if options.out == STREAM else f": {options.out}"),
        file=out,
    )
    for name, count in tally.unknown.items():
        print(f"  {name}: {count:,} values that training did not know", file=out)
    for name, count in tally.missing(predictor.complete).items():
        print(f"  {name}: {count:,} missing values; training had none", file=out)
    for name, row in tally.dropped.items():
        print(f"  {name}: first there in row {row:,}, and not in the output", file=out)
    if tally.refused:
        where = f": {rejects}" if rejects else ""
        share = percentage(tally.refused, tally.rows)
        error(f"  {tally.refused:,} of {tally.rows:,} rows ({share}) were refused{where}")
        for (column, rule), count in reasons[:_SHOWN]:
            row, value = tally.examples[column, rule]
            progress(f"    {count:,} × {column or 'line'}: {rule}; first row {row:,}: {value!r}")
