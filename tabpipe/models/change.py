"""What `models promote`, `rollback`, `retire` and `sync` do: the move on record first, then MLflow's registry."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from components.common.artifacts import Store, Version, open_store
from components.common.base.errors import Refusal
from components.common.registry import Standing, challenge, model_name, promote, retire, rollback, standing
from components.common.registry.model_ref import refuse_unknown
from tabpipe.console import document, say
from tabpipe.tracking.mlflow_store import cause_of, ensure_store
from tabpipe.tracking.tracker import QUICK


def promote_command(options: argparse.Namespace) -> int:
    """Makes a version the champion, or the challenger."""
    store, before = _opened(options)
    version = _version(store, before, options.version)
    expected = None if options.expect is None else "" if options.expect == "none" else options.expect
    present = f"v{before.champion.number}" if before.champion else ""
    if expected is not None and expected != present:
        raise Refusal(
            f"the champion is {present or 'none'}, not {expected or 'none'}",
            where=model_name(options.model),
            mend=f"tabpipe models history {options.model} tells who moved it",
        )
    why = {"text": options.why} if options.why else {}
    if options.alias == "challenger":
        if before.champion is not None and before.champion.number == version.number:
            raise Refusal(f"{version.ref} is the champion; a challenger is another one", where="VERSION")
        now = challenge(store, options.model, version.ref, why=why)
    else:
        now = promote(store, before, version.ref, why=why)
    return _told(store, options, before, now)


def rollback_command(options: argparse.Namespace) -> int:
    """Brings the former champion back."""
    store, before = _opened(options)
    now = rollback(store, before, why={"text": options.why} if options.why else {})
    return _told(store, options, before, now)


def retire_command(options: argparse.Namespace) -> int:
    """Takes the champion away."""
    store, before = _opened(options)
    if not options.why.strip():
        rule = "a sentence that the history keeps"
        raise Refusal("a champion is not retired without a reason", where="--because", rule=rule)
    now = retire(store, before, why={"text": options.why})
    assert before.champion is not None  # else `retire` has refused
    words = [
        f"servers that follow the champion go on answering with v{before.champion.number} until there is another one",
        f"the next model that is good enough by itself becomes the first champion: tabpipe run {options.model}",
    ]
    return _told(store, options, before, now, more=words)


def sync_command(options: argparse.Namespace) -> int:
    """Lets MLflow follow."""
    store, before = _opened(options)
    return _told(store, options, before, before, force=options.force)


def _opened(options: argparse.Namespace) -> tuple[Store, Standing]:
    store = open_store(options.store)
    refuse_unknown(store, options.model)
    return store, standing(store, options.model)


def _version(store: Store, before: Standing, text: str) -> Version:
    name = model_name(before.use_case)
    if text == "challenger" and before.challenger is None:
        raise Refusal(
            f"{before.use_case} has no challenger",
            where="VERSION",
            rule="a version vN, or an alias",
            mend=f"tabpipe models list {before.use_case} shows the versions",
        )
    return store.resolve(text if text.startswith(f"{name}:") else f"{name}:{text}")


def _told(
    store: Store,
    options: argparse.Namespace,
    before: Standing,
    now: Standing,
    *,
    force: bool = False,
    more: Sequence[str] = (),
) -> int:
    """Brings MLflow to it, and says what is; exit code 1 where MLflow could not be written."""
    words, failed = _mlflow(store, options.model, force)
    shown = {alias: one.ref if one else None for alias, one in now.aliases.items()}
    if options.json:
        document({"model": options.model, **shown, "moved": before != now, "mlflow": words, "state": "done"})
    else:
        was = f", was v{before.champion.number}" if before.champion and before.champion != now.champion else ""
        lines = [
            f"  {alias.ljust(10)}  {ref or '–'}{was if alias == 'champion' else ''}"
            for alias, ref in shown.items()
            if ref or alias == "champion"
        ]
        say([f"  {options.model}", *lines, *(f"  {word}" for word in [*more, *words])])
    return 1 if failed else 0


def _mlflow(store: Store, use_case: str, force: bool) -> tuple[list[str], bool]:
    for variable, value in QUICK.items():
        os.environ.setdefault(variable, value)
    from mlflow import MlflowClient

    from components.common.registry.mlflow_sync import forget_moves, mirror

    try:
        ensure_store()
        client = MlflowClient()
        if force:
            forget_moves(client, use_case)
        words = mirror(client, store, use_case)
        has = "has it: models:/{}@champion" if standing(store, use_case).champion else "has no champion of {} any more"
        return words or [f"MLflow's registry {has.format(use_case)}"], bool(words)
    except Refusal:
        raise
    except Exception as error:  # MLflow passes on what SQLAlchemy, requests and it itself raise
        return [
            f"MLflow could not be written: {cause_of(error)}",
            f"the move is on record and holds; for MLflow: tabpipe models sync {use_case}",
        ], True
