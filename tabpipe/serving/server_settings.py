"""What is to be served on this machine: which model, by which settings, and whether there is one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.base.errors import Refusal
from components.common.config.serve import Serve
from tabpipe.serving.model_address import Model, of_folder, of_registry, of_store
from tabpipe.serving.server_variables import PREFIX, variables_of


@dataclass(frozen=True)
class Wanted:
    """A use case to serve."""

    name: str
    """What it is called."""
    serve: Serve
    """Its section `serve`."""
    model: str
    """The address of its model."""
    shown: str
    """The model as people know it: `iris v3`."""
    beside: str
    """What the challenger does, in words; empty where it does nothing."""
    environment: dict[str, str]
    """All that the server is told by variables."""


def wanted(config: str, overrides: Sequence[str], model: str = "") -> Wanted:
    """Reads the config of a use case and looks for its champion.

    Args:
        config: A use case under config/, or a YAML file.
        overrides: `dotted.name=value`.
        model: Another model than the champion: an address, USE_CASE@ALIAS, USE_CASE@v3, or a folder.

    Raises:
        Refusal: There is no such model, or no store that could be asked for it.
    """
    from components.common.artifacts import default_url
    from tabpipe.config import find_config, load
    from tabpipe.project import home
    from tabpipe.tracking.mlflow_store import tracking_uri

    case, name = load(config, list(overrides)), find_config(config).stem
    registry = tracking_uri()
    remote = registry.startswith(("http://", "https://"))
    found = _named(model, registry) if model else _champion(name, registry if remote else "")
    challenger = (f"models:/{name}@" if remote else f"artifact://{name}.model:") + "challenger"
    environment = variables_of(case.serve, found.address, challenger, str(home() / "requests"))
    # Nobody here has to learn that requests go elsewhere, but a client may be just sending one.
    environment |= {f"{PREFIX}NAME": name, f"{PREFIX}DRAIN": "1"}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(PREFIX)}
    environment |= {"TABPIPE_ARTIFACTS": default_url(), "TABPIPE_HOME": str(home())}
    if remote or found.address.startswith("models:"):
        environment["MLFLOW_TRACKING_URI"] = registry
    beside = _beside(case.serve, name, registry if remote else "")
    return Wanted(name, case.serve, found.address, found.shown, beside, environment)


def _champion(name: str, registry: str) -> Model:
    """The champion: of MLflow's registry where that is a server, else of the artifact store."""
    if registry:
        return of_registry(f"models:/{name}@champion", registry)
    return of_store(name, "champion")


def _named(model: str, registry: str) -> Model:
    """The model that a person has named; a path is one from here, not from where the server starts."""
    if model.startswith("models:"):
        return of_registry(model, registry)
    if model.startswith("artifact://"):
        name, _, which = model.removeprefix("artifact://").partition(":")
        return of_store(name.removesuffix(".model"), which or "champion")
    if "@" in model and os.sep not in model and not Path(model).exists():
        name, _, which = model.partition("@")
        return of_store(name, which)
    return of_folder(Path(model).absolute())


def _beside(serve: Serve, name: str, registry: str) -> str:
    """What the challenger does beside the champion, and whether there is one yet."""
    asked = serve.challenger
    if not (asked.shadow or asked.fraction):
        return ""
    does = (
        "is asked everything in the shadow" if asked.shadow else f"answers {100 * asked.fraction:g} % of request keys"
    )
    try:
        found = of_registry(f"models:/{name}@challenger", registry) if registry else of_store(name, "challenger")
        return f"{found.shown} {does}"
    except Refusal:
        return f"there is none yet; once there is, it {does} (tabpipe models promote {name} vN --as challenger)"
