"""Models by their addresses, looked at before a server is started on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.common.base.errors import Refusal
from components.common.base.redact import redact
from tabpipe.models.registered import registered


@dataclass(frozen=True)
class Model:
    """A model that is there."""

    address: str
    """Where the server is to look for it, again and again."""
    shown: str
    """As people know it: `iris v3`."""


def of_store(name: str, which: str) -> Model:
    """A model of the artifact store.

    Args:
        name: The use case.
        which: An alias, or vN.

    Raises:
        Refusal: There is none.
    """
    from components.common.artifacts import open_store
    from components.common.registry import model_name, standing
    from components.common.registry.model_ref import version_of

    store = open_store()
    if which == "champion" and standing(store, name).champion is None:
        raise _no_champion(name, store.place.shown)
    version = version_of(store, name, which)
    return Model(f"artifact://{model_name(name)}:{which}", f"{name} v{version.number}")


def of_registry(address: str, registry: str) -> Model:
    """A model of MLflow's registry.

    Args:
        address: `models:/NAME@ALIAS` or `models:/NAME/VERSION`.
        registry: Where the registry is.

    Raises:
        Refusal: There is none, or the registry does not answer.
    """
    asked = registered(address)
    found = asked.version(registry)
    if found is None and asked.alias == "champion":
        raise _no_champion(asked.name, redact(registry))
    if found is None:
        raise Refusal(
            "there is no such model", where=redact(registry), value=address, mend=f"tabpipe models list {asked.name}"
        )
    return Model(address, f"{asked.name} v{found.version}")


def of_folder(folder: Path) -> Model:
    """A model's folder.

    Raises:
        Refusal: It is none.
    """
    if not (folder / "MLmodel").is_file():
        raise Refusal(
            "no saved model",
            where="--model",
            value=str(folder),
            rule="a model's folder, USE_CASE@ALIAS, USE_CASE@v3, artifact://NAME.model:ALIAS, models:/NAME@ALIAS or "
            "models:/NAME/3",
        )
    return Model(str(folder), f"the model in {folder}")


def _no_champion(name: str, place: str) -> Refusal:
    return Refusal(
        f"{name} has no champion yet",
        where=place,
        mend=f"make run CONFIG={name} trains one, tabpipe models promote {name} vN makes one of those that are there",
    )
