"""Which files of the project others can import, at any depth: by the statements in their text, not by running them."""

from __future__ import annotations

import ast
import atexit
import contextlib
import functools
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tabpipe.project import home, read_json, write_json

PACKAGE = "components"
"""The package whose modules are followed; all others come with Python or out of a lock."""
_OWN = Path(__file__).read_bytes()
"""Part of the digests of files, so that what an earlier version of this module has found is not taken."""


def reached(files: Iterable[Path], root: Path) -> set[Path]:
    """Some files and all that they can import of the project, the `__init__.py` on the way included.

    An import in a function counts, since it happens in the end; one under `if TYPE_CHECKING:` does not.

    Args:
        files: Files below the project; what is not Python imports nothing.
        root: The project.
    """
    found, waiting = set(), list(files)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _imported(path, root) if path.suffix == ".py" else ()
    return found


@functools.cache  # several steps reach the same file
def _imported(path: Path, root: Path) -> list[Path]:
    content = path.read_bytes()
    digest = hashlib.sha256(_OWN + content).hexdigest()
    known = _known()
    if digest not in known:
        known[digest] = sorted(set(_modules(ast.parse(content, str(path)))))
    return [file for name in known[digest] for file in _files(name, root)]


@functools.cache
def _files(module: str, root: Path) -> list[Path]:
    """The files that an import of a module runs; of a name in a module, those of the module."""
    place, found = root, []
    for part in module.split("."):
        place = place / part
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        found += [file] if file.is_file() else []
    return found


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
        below = ast.iter_child_nodes(node)
    for child in below:
        yield from _modules(child)


@functools.cache
def _known() -> dict[str, list[str]]:
    """Digest of a file to the modules that it imports: to parse them all takes 0.2 s, which a run need not spend."""
    path = home() / "kfp" / "imports.json"
    known = read_json(path, {})
    before = len(known)

    def keep() -> None:
        if len(known) > before and path.parent.is_dir():
            with contextlib.suppress(OSError):
                write_json(path, known)

    atexit.register(keep)
    return known
