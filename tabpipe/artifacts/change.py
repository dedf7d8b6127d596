"""What the commands `artifacts get, put, alias, remove, gc` do and print."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from components.common.artifacts import open_store, parse_ref
from components.common.artifacts.garbage_collection import collect, give_up
from components.common.base.errors import Refusal
from components.common.sources import in_words
from tabpipe.console import age, columns, detail, document, maker, moment, say, shape, size


def get_command(options: argparse.Namespace) -> int:
    """Brings a version to a file or folder."""
    store = open_store(options.store)
    version = store.resolve(options.ref)
    path = store.get(version.ref, options.destination, progress=in_words(detail))
    if options.json:
        return document({**version.shown(), "path": str(path)})
    say([f"  {version.ref}  {size(version.bytes)}  verified  {path}"])
    return 0


def put_command(options: argparse.Namespace) -> int:
    """Stores a file or folder."""
    store = open_store(options.store)
    metadata = {**_table_shape(Path(options.path)), **dict(_pair(text) for text in options.meta)}
    version = store.put(options.name, options.path, metadata=metadata, inputs=options.input, progress=in_words(detail))
    if options.json:
        return document({**version.shown(), "new": version.new})
    note = "" if version.new else "  the same bytes as before: no new version"
    say([f"  {version.ref}  {size(version.bytes)}  {version.digest[:12]}{note}"])
    return 0


def alias_command(options: argparse.Namespace) -> int:
    """Lets an alias point to a version, or takes it away."""
    store = open_store(options.store)
    expected = None if options.expect is None else "" if options.expect == "none" else options.expect
    wanted = parse_ref(options.ref)
    if options.remove:
        if options.alias:
            raise Refusal(
                "with --remove the alias stands in the reference", mend=f"{wanted.name}:{options.alias} --remove"
            )
        store.unalias(wanted.name, wanted.what, expected=expected)
        return document({"name": wanted.name, "alias": wanted.what, "removed": True}) if options.json else 0
    if not options.alias:
        raise Refusal("no alias is given", where=options.ref, mend=f"tabpipe artifacts alias {options.ref} prod")
    version = store.alias(wanted.name, options.alias, str(wanted), expected=expected)
    if options.json:
        return document({**version.shown(), "alias": options.alias})
    say([f"  {wanted.name}:{options.alias} is {version.ref}"])
    return 0


def remove_command(options: argparse.Namespace) -> int:
    """Gives up a version."""
    version = give_up(open_store(options.store), options.ref)
    if options.json:
        return document({"ref": version.ref, "removed": True})
    say([f"  {version.ref} is given up; its bytes go with the first tabpipe artifacts gc after a day"])
    return 0


def gc_command(options: argparse.Namespace) -> int:
    """Gives up old versions that nothing needs, and their bytes."""
    done = collect(open_store(options.store), age(options.older_than), dry_run=options.dry_run, say=detail)
    if options.json:
        return document(
            {
                "dry_run": options.dry_run,
                "versions": [version.ref for version in done.versions],
                "objects": len(done.keys),
                "bytes": done.bytes,
                "uploads": done.uploads,
                "kept": {"versions": done.kept_versions, "objects": done.kept_objects, "bytes": done.kept_bytes},
            }
        )
    if done.versions:
        rows = [(one.ref, moment(one.created), size(one.bytes), shape(one), maker(one)) for one in done.versions]
        say([*columns(("version", "created (UTC)", "size", "holds", "made by"), rows, right=(2, 3)), ""])
    verb = "would go" if options.dry_run else "gone"
    say(
        [
            f"  {verb}: {_amount(len(done.versions), len(done.keys), done.bytes)}",
            f"  kept: {_amount(done.kept_versions, done.kept_objects, done.kept_bytes)}",
        ]
    )
    return 0


def _amount(versions: int, objects: int, count: int) -> str:
    return f"{_count(versions, 'version')}, {_count(objects, 'object')} of {size(count)}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def _pair(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        raise Refusal("not KEY=VALUE", where="--meta", value=text, mend="for instance --meta rows=120")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _table_shape(path: Path) -> dict[str, Any]:
    """Rows and columns of a parquet file; nothing of any other file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            if file.read(4) != b"PAR1":
                return {}
        found = pq.read_metadata(path)
    except (OSError, pa.ArrowInvalid):
        return {}
    return {"rows": found.num_rows, "columns": found.num_columns}
