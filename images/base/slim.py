"""Makes a folder of packages small: `slim.py FOLDER [FOLDER_OF_WHAT_THEY_IMPORT]`.

What neither steps nor servers import goes: tests, sources of compiled modules, parts of large packages for other uses.
Byte code is made of what they do import, and of nothing else: that is a sixth of all there would be.
"""

from __future__ import annotations

import importlib
import os
import py_compile
import shutil
import struct
import sys
import tomllib
from pathlib import Path

RULES = tomllib.loads(Path(__file__).with_name("slim.toml").read_text(encoding="utf-8"))
"""What goes, and what is imported; the file says more."""


def slim(folder: Path, others: list[str]) -> None:
    """Removes what is not used from a folder of packages, and compiles what is.

    Args:
        folder: The packages.
        others: Folders of packages that they import.
    """
    kept = {path for pattern in RULES["unused"] if pattern.startswith("!") for path in folder.glob(pattern[1:])}
    going = [path for pattern in RULES["unused"] if not pattern.startswith("!") for path in folder.glob(pattern)]
    going += [path for path in folder.rglob("*") if path.name in RULES["folders"] and path.is_dir()]
    going += [path for path in folder.rglob("*") if path.suffix in RULES["sources"] and path.is_file()]
    for path in going:
        if path in kept:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    _once_each(folder / "pyarrow")
    for path in folder.rglob("*.so*"):
        _without_symbols(path)
    sys.dont_write_bytecode = True
    sys.path[:0] = [str(folder), *others]
    os.environ["_KFP_RUNTIME"] = "true"  # as in a step: kfp without its compiler, which would want more packages
    for name in RULES["imported"]:
        if any(folder.glob(f"{name.partition('.')[0]}*")):
            importlib.import_module(name)
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and file.endswith(".py") and Path(file).is_relative_to(folder):
            # By no time stamp: those of a layer are not always those of the build.
            py_compile.compile(file, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH, doraise=True)


def _once_each(folder: Path) -> None:
    """A wheel holds no links, so that pyarrow's hold the same library by up to three names: here they become links."""
    seen: dict[tuple[int, bytes], Path] = {}
    for path in sorted(folder.glob("lib*.so*"), key=lambda path: len(path.name)):
        key = (path.stat().st_size, path.read_bytes()[:4096])
        if key in seen and path.read_bytes() == seen[key].read_bytes():
            path.unlink()
            path.symlink_to(seen[key].name)
        else:
            seen[key] = path


def _without_symbols(path: Path) -> None:
    """Ends a library where what is loaded of it ends: what follows is for debuggers, and for linking at build time."""
    if path.is_symlink():
        return
    content = path.read_bytes()
    if content[:6] != b"\x7fELF\x02\x01":  # 64 bits, little-endian
        return
    start, size, count = struct.unpack_from("<Q", content, 32)[0], *struct.unpack_from("<HH", content, 54)
    segments = (struct.unpack_from("<IIQQQQ", content, start + number * size) for number in range(count))
    end = max(start + size * count, *(offset + length for _, _, offset, _, _, length in segments))
    # No table of sections: the loader reads that of segments.
    header = content[:40] + bytes(8) + content[48:58] + bytes(6)
    path.write_bytes(header + content[64:end])


if __name__ == "__main__":
    slim(Path(sys.argv[1]), sys.argv[2:])
