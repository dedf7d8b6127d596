"""What the commands `artifacts list, show, diff, lineage` print."""

from __future__ import annotations

import argparse
from typing import Any

from components.common.artifacts import Store, Version, open_store, parse_ref
from tabpipe.console import columns, document, maker, moment, pairs, say, shape, size

_MOST_FILES = 50


def list_command(options: argparse.Namespace) -> int:
    """Lists artifacts, or the versions of one."""
    store = open_store(options.store)
    if options.name:
        return _list_versions(store, options.name, options.json)
    ledgers = [store.ledger(name) for name in store.names()]
    found = [(ledger, store.aliases(ledger.name)) for ledger in ledgers if ledger.present]
    if options.json:
        return document(
            [
                {
                    "name": ledger.name,
                    "versions": len(ledger.present),
                    "bytes": sum({one.digest: one.bytes for one in ledger.present}.values()),
                    "aliases": {alias: f"v{number}" for alias, number in aliases.items()},
                    "newest": ledger.present[-1].shown(),
                }
                for ledger, aliases in found
            ]
        )
    if not found:
        say([f"  nothing is stored in {store.place.shown} yet; for instance: tabpipe artifacts put my_table table.csv"])
        return 0
    rows = []
    for ledger, aliases in found:
        latest = ledger.versions[aliases.get("latest", ledger.present[-1].number)]
        others = ", ".join(f"{alias} v{number}" for alias, number in aliases.items() if alias != "latest")
        row = (ledger.name, f"v{latest.number}", len(ledger.present), size(latest.bytes), shape(latest))
        rows.append((*row, moment(latest.created), others))
    say(columns(("name", "latest", "versions", "size", "holds", "created (UTC)", "aliases"), rows, right=(2, 3, 4)))
    return 0


def _list_versions(store: Store, name: str, as_json: bool) -> int:
    versions, aliases = store.versions(name), store.aliases(name)
    words = {one.number: [alias for alias, number in aliases.items() if number == one.number] for one in versions}
    if as_json:
        return document([{**one.shown(), "aliases": words[one.number]} for one in versions])
    rows = [
        (
            f"v{one.number}",
            moment(one.created),
            size(one.bytes),
            shape(one),
            one.digest[:12],
            maker(one),
            ", ".join(words[one.number]),
        )
        for one in reversed(versions)
    ]
    say(columns(("version", "created (UTC)", "size", "holds", "digest", "made by", "aliases"), rows, right=(2, 3)))
    return 0


def show_command(options: argparse.Namespace) -> int:
    """Tells all about a version, and the history of the alias that it was asked for by."""
    store = open_store(options.store)
    wanted, version = parse_ref(options.ref), store.resolve(options.ref)
    aliases = [alias for alias, number in store.aliases(version.name).items() if number == version.number]
    files = store.files(version) if version.kind == "folder" else {}
    moves = store.history(version.name, wanted.what) if wanted.what in aliases and wanted.what != "latest" else []
    if options.json:
        listed = {path: {"digest": digest, "bytes": count} for path, (digest, count) in files.items()}
        history = [{"at": one.at, "who": one.who, "from": one.before, "to": one.after, **one.why} for one in moves]
        return document(
            {
                **version.shown(),
                "aliases": aliases,
                **({"contents": listed} if listed else {}),
                **({"history": history} if history else {}),
            }
        )
    say([version.ref, *pairs(_facts(version, aliases))])
    for making in version.more:
        inputs = ", ".join(one.ref or one.digest[:12] for one in making.inputs) or "nothing known"
        say([f"  made again on {moment(making.created)} from {inputs}  {making.made_by.get('run', '')}".rstrip()])
    if version.metadata:
        say(["", "metadata", *pairs(dict(version.metadata))])
    if files:
        rows: list[tuple[str, ...]] = [
            (path, size(count), digest[:12]) for path, (digest, count) in list(files.items())[:_MOST_FILES]
        ]
        say(["", *columns(("file", "size", "digest"), rows, right=(1,))])
        if len(files) > _MOST_FILES:
            say([f"  and {len(files) - _MOST_FILES} more; --json lists all"])
    if moves:
        rows = [(moment(one.at), _number(one.before), _number(one.after), one.who, _why(one.why)) for one in moves]
        say(["", f"history of {wanted.what}", *columns(("when (UTC)", "from", "to", "who", "why"), rows)])
    return 0


def _facts(version: Version, aliases: list[str]) -> dict[str, Any]:
    facts = {
        "digest": version.digest,
        "holds": shape(version),
        "size": f"{size(version.bytes)} ({version.bytes:,} bytes)",
        "called": version.filename,
        "created": f"{moment(version.created)} UTC",
        **version.made_by,
        "made from": ", ".join(one.ref or f"sha256:{one.digest[:12]}" for one in version.first.inputs),
        "aliases": ", ".join(aliases),
    }
    return {name: value for name, value in facts.items() if value}


def diff_command(options: argparse.Namespace) -> int:
    """Tells what differs between two versions."""
    from tabpipe.artifacts.diff import difference
    from tabpipe.artifacts.diff_text import lines

    found = difference(open_store(options.store), options.first, options.second)
    if options.json:
        return document(found)
    say(lines(found))
    return 0


def lineage_command(options: argparse.Namespace) -> int:
    """Tells what a version was made from, or what was made from it."""
    from components.common.artifacts.lineage import lineage
    from components.common.base.files import written_whole
    from tabpipe.artifacts.lineage_text import tree

    graph = lineage(open_store(options.store), options.ref, "down" if options.down else "up")
    if options.svg:
        from tabpipe.artifacts.lineage_picture import draw

        with written_whole(options.svg) as beside:
            beside.write_text(draw(graph))
    if options.json:
        return document(graph.shown())
    say([f"  {options.svg}"] if options.svg else tree(graph))
    return 0


def _number(number: int | None) -> str:
    return "–" if number is None else f"v{number}"


def _why(why: Any) -> str:
    return ", ".join(f"{key} {value}" for key, value in why.items())
