"""Models by their addresses: which one is meant at this moment, and that very one brought here."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from components.common.artifacts import Store, Version, parse_ref
from components.common.base.artifact_ref import SCHEME
from components.common.base.errors import Refusal, misspelt, nearest
from components.common.registry.champion import CHAMPION, model_name

FORMS = "models:/NAME@ALIAS, models:/NAME/VERSION, artifact://NAME.model:ALIAS or a folder"
_SUFFIX = model_name("")
_REGISTERED = re.compile(r"models:/+([^/@:]+)(?:@([^/@:]+)|/([0-9]+))")
_SHORT = re.compile(r"([^@:/\\]+)(?:[@:]([^@:/\\]+))?")


@dataclass(frozen=True)
class ModelRef:
    """An address of a model, taken apart."""

    place: Literal["registry", "store", "folder"]
    name: str
    """Of the registered model or of the artifact; the path of a folder."""
    which: str = ""
    """An alias; a version's number in the registry; `vN` or the start of a digest in the store."""
    numbered: bool = False
    """Whether `which` is the number of a version of the registry."""

    def __str__(self) -> str:
        if self.place == "folder":
            return self.name
        if self.place == "store":
            return f"{SCHEME}{self.name}:{self.which}"
        return f"models:/{self.name}{'/' if self.numbered else '@'}{self.which}"

    @property
    def use_case(self) -> str:
        """What people call the model."""
        return Path(self.name).resolve().name if self.place == "folder" else self.name.removesuffix(_SUFFIX)


def parse_model(text: str, *, short: bool = False, where: str = "") -> ModelRef:
    """Takes the address of a model apart. Nothing is asked yet.

    Args:
        text: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `artifact://NAME.model:ALIAS` (`:vN`, the start of a digest;
            the champion if nothing follows the name), or a folder.
        short: Whether USE_CASE, USE_CASE@ALIAS and USE_CASE@vN name a model of the artifact store, too. A folder of
            that name comes first if a model is in it.
        where: What the text was given as, for messages.

    Raises:
        Refusal: It is none of these.
    """
    rule = f"USE_CASE, USE_CASE@ALIAS, USE_CASE@v3, {FORMS}" if short else FORMS
    if text.startswith("models:"):
        match = _REGISTERED.fullmatch(text)
        if match is None:
            mend = "for instance models:/iris@champion"
            raise Refusal("this names no model of a registry", where=where, value=text, rule=rule, mend=mend)
        return ModelRef("registry", match[1], match[2] or match[3], not match[2])
    if text.startswith("artifact:"):
        short_text = text.removeprefix("artifact:").removeprefix("//")
        ref = parse_ref(short_text)
        return ModelRef("store", ref.name, ref.what if ":" in short_text else CHAMPION)
    if "://" in text and not text.startswith("file://"):
        value = text.partition("://")[0]
        raise Refusal("models do not come from there", where=where, value=value, rule=rule)
    path = Path(text.removeprefix("file://")).expanduser()
    if short and not (path / "MLmodel").is_file() and (match := _SHORT.fullmatch(text)):
        return ModelRef("store", model_name(match[1].removesuffix(_SUFFIX)), match[2] or CHAMPION)
    return ModelRef("folder", str(path.absolute()))


def use_cases(store: Store) -> list[str]:
    """The use cases that have a model in a store."""
    return [name.removesuffix(_SUFFIX) for name in store.names() if name.endswith(_SUFFIX) and name != _SUFFIX]


def refuse_unknown(store: Store, use_case: str) -> None:
    """Refuses a use case that has no model, with the nearest one that has."""
    known = use_cases(store)
    if use_case not in known:
        mend = nearest(use_case, known) if known else f"make one: tabpipe run {use_case}"
        raise Refusal(f"there is no model of {use_case!r}", where=store.place.shown, mend=mend)


def no_champion(use_case: str, where: str, known: list[str]) -> Refusal:
    """Words that a use case has no champion.

    Args:
        use_case: Which.
        where: The store or registry.
        known: The use cases that have a model there, as far as that is known.
    """
    mend = f"make run CONFIG={use_case} trains one"
    if not known or use_case in known:
        mend += f", tabpipe models promote {use_case} vN makes one of those that are there"
    elif better := misspelt(use_case, known):
        mend = f"{better} Or: {mend}"
    return Refusal(f"{use_case} has no champion yet", where=where, mend=mend)


def version_of(store: Store, use_case: str, which: str) -> Version:
    """A version of a use case's model.

    Args:
        store: Where.
        use_case: The name that the model goes by.
        which: An alias, such as champion, or vN.

    Raises:
        Refusal: There is none.
    """
    if which == CHAMPION and CHAMPION not in store.aliases(model_name(use_case)):
        raise no_champion(use_case, store.place.shown, use_cases(store))
    refuse_unknown(store, use_case)
    return store.resolve(f"{model_name(use_case)}:{which}")


def mark_of(version: Version) -> str:
    """What stands for a model in the keys of caches: its name, its number and its bytes."""
    return f"{version.ref} {version.digest}"


def refuse_no_model(version: Version) -> None:
    """Refuses an artifact that is a file."""
    if version.kind != "folder":
        raise Refusal("this is no model", where=version.ref, rule="a folder in MLflow's format")


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
    refuse_no_model(version)
    store.get(version.ref, Path(folder))
    return version
