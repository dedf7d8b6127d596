"""What is to be served on this machine: which model, by which settings, and whether there is one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from components.common.base.errors import Refusal
from components.common.config.serve import Serve
from components.common.registry.model_ref import ModelRef, parse_model
from tabpipe.serving.model_folder import look_up
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
    estimator: str
    """`train.model` of its config."""


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
    champion, challenger = (
        parse_model((f"models:/{name}@" if remote else f"artifact://{name}.model:") + alias)
        for alias in ("champion", "challenger")
    )
    ref = parse_model(model, short=True, where="--model") if model else champion
    shown = _shown(ref)
    environment = variables_of(case.serve, str(ref), str(challenger), str(home() / "requests"))
    # Nobody here has to learn that requests go elsewhere, but a client may be just sending one.
    environment |= {f"{PREFIX}NAME": name, f"{PREFIX}DRAIN": "1"}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(PREFIX)}
    environment |= {"TABPIPE_ARTIFACTS": default_url(), "TABPIPE_HOME": str(home())}
    if remote or ref.place == "registry":
        environment["MLFLOW_TRACKING_URI"] = registry
    return Wanted(name, case.serve, str(ref), shown, _beside(case.serve, challenger), environment, case.train.model)


def _shown(ref: ModelRef) -> str:
    """The model as people know it, looked at before a server is started on it."""
    found = look_up(ref)
    return f"{found.name} v{found.version.removeprefix('v')}" if found.version else f"the model in {ref}"


def _beside(serve: Serve, challenger: ModelRef) -> str:
    """What the challenger does beside the champion, and whether there is one yet."""
    asked = serve.challenger
    if not (asked.shadow or asked.fraction):
        return ""
    does = (
        "is asked everything in the shadow" if asked.shadow else f"answers {100 * asked.fraction:g} % of request keys"
    )
    try:
        return f"{_shown(challenger)} {does}"
    except Refusal:
        name = challenger.use_case
        return f"there is none yet; once there is, it {does} (tabpipe models promote {name} vN --as challenger)"
