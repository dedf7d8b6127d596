"""Models of the artifact store: which one is meant at this moment, and that very one brought here."""

from __future__ import annotations

import os
from pathlib import Path

from components.common.artifacts import Store, Version
from components.common.base.errors import Refusal, nearest
from components.common.registry import model_name


def version_of(store: Store, use_case: str, which: str) -> Version:
    """A version of a use case's model.

    Args:
        store: Where.
        use_case: The name that the model goes by.
        which: An alias, such as champion, or vN.

    Raises:
        Refusal: There is none.
    """
    suffix = model_name("")
    known = [name.removesuffix(suffix) for name in store.names() if name.endswith(suffix) and name != suffix]
    if use_case not in known:
        raise Refusal(
            f"there is no model of {use_case!r}",
            where=store.place.shown,
            mend=nearest(use_case, known) if known else f"make one: tabpipe run {use_case}",
        )
    return store.resolve(f"{model_name(use_case)}:{which}")


def mark_of(version: Version) -> str:
    """What stands for a model in the keys of caches: its name, its number and its bytes."""
    return f"{version.ref} {version.digest}"


def bring_marked(store: Store, mark: str, folder: str | os.PathLike[str]) -> Version:
    """Brings the model that a mark stands for; its bytes are verified.

    Args:
        store: Where it is.
        mark: What `mark_of` gave.
        folder: Where to; not there yet, or empty.

    Raises:
        Refusal: It is no mark, or the store has another model under that name.
    """
    ref, _, digest = mark.partition(" ")
    if not digest:
        raise Refusal("this names no model", where="model", value=mark, rule="NAME.model:vN and its digest")
    version = store.resolve(ref)
    if version.digest != digest:
        raise Refusal(
            "the store has another model under this name",
            where=f"{ref} in {store.place.shown}",
            value=version.digest,
            rule=digest,
            mend="run the pipeline anew",
        )
    if version.kind != "folder":
        raise Refusal("this is no model", where=ref, rule="a folder in MLflow's format")
    store.get(version.ref, Path(folder))
    return version
