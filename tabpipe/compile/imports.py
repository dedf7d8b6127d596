"""Which files of the project others can import, at any depth: by the statements in their text, not by running them."""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from tabpipe.project import home, read_json, write_json

PACKAGE = "components"
"""The package whose modules are followed; all others come with Python or out of a lock."""


def reached(files: Iterable[Path], root: Path) -> list[Path]:
    """Some files and all that they can import of the project, the `__init__.py` on the way included, in their order.

    An import in a function counts, since it happens in the end; one under `if TYPE_CHECKING:` does not. With a module
    come the files beside it that it reads: those of its own name with other endings, as `style.page.css` of `style.py`.

    Args:
        files: Files below the project; what is not Python imports nothing.
        root: The project.
    """
    found: set[str] = set()  # of text: a path takes ten times as long to look up, and a run asks for some 600
    waiting = [str(path) for path in files]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path, str(root)) if path.endswith(".py") else ()
    return [_path(path) for path in sorted(found)]


_path = functools.cache(Path)


@functools.cache  # several steps hold the same file
def digest_of(path: str) -> bytes:
    """The SHA-256 of a file that this process does not change."""
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).digest()


@functools.cache
def _imported(path: str, root: str) -> list[str]:
    known, digest = _known(), digest_of(path).hex()
    if digest not in known:
        with open(path, "rb") as source:
            known[digest] = sorted(set(_modules(ast.parse(source.read(), path))))
    parts = (name.split(".") for name in known[digest])
    modules = {"/".join(names[:length]) for names in parts for length in range(1, len(names) + 1)}
    return [file for module in modules if (file := _file(f"{root}/{module}"))] + _data_of(path)


def _data_of(path: str) -> list[str]:
    """The files that bear a module's name and are no Python."""
    folder, _, name = path.rpartition("/")
    start = name.removesuffix("py")
    return [f"{folder}/{beside}" for beside in _data_in(folder) if beside.startswith(start)]


@functools.cache
def _data_in(folder: str) -> list[str]:
    return [name for name in os.listdir(folder) if not name.endswith((".py", ".pyc", "~"))]


@functools.cache
def _file(module: str) -> str:
    """The file that an import of a module runs; empty where there is none, as of a name in a module."""
    return next((file for file in (f"{module}/__init__.py", f"{module}.py") if os.path.isfile(file)), "")


def _modules(node: ast.AST) -> Iterator[str]:
    """What a piece of code imports of the package: modules, and names that may be modules."""
    if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        below: Iterable[ast.AST] = node.orelse
    elif isinstance(node, ast.Import):
        below = ()
        yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == PACKAGE)
    elif isinstance(node, ast.ImportFrom):
        below = ()
        if node.level:
            raise SyntaxError(f"line {node.lineno}: an import in the project names the whole module")
        if node.module and node.module.partition(".")[0] == PACKAGE:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
    else:
        below = (child for block in _BLOCKS for child in getattr(node, block, ()))
    for child in below:
        yield from _modules(child)


_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""The fields of a statement that hold statements: an import is one, and stands in no expression."""


@functools.cache
def _known() -> dict[str, list[str]]:
    """Digest of a file to the modules that it imports: to parse them all takes 0.2 s, which a run need not spend."""
    path, version = home() / "kfp" / "imports.json", digest_of(__file__).hex()
    kept = read_json(path, {})
    known = kept.get(version, {})  # what another version of this module has found is not taken
    before = len(known)

    def keep() -> None:
        if len(known) > before and path.parent.is_dir():
            with contextlib.suppress(OSError):
                write_json(path, {version: known})

    atexit.register(keep)
    return known
