"""What is to be served on this machine: which model, by which settings, and whether there is one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.common.errors import Refusal
from components.common.sections.serve import Serve
from tabpipe.serving.variables import PREFIX, variables_of


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
    environment: dict[str, str]
    """All that the server is told by variables."""


def wanted(config: str, overrides: Sequence[str], model: str = "") -> Wanted:
    """Reads the config of a use case and looks for its champion.

    Args:
        config: A use case under config/, or a YAML file.
        overrides: `dotted.name=value`.
        model: The address of another model than the champion.

    Raises:
        Refusal: There is no champion yet, or no store that could be asked for it.
    """
    from components.common.artifacts import default_url
    from tabpipe.config import find_config, load
    from tabpipe.tracker import tracking_uri
    from tabpipe.workspace import home

    case, name = load(config, list(overrides)), find_config(config).stem
    registry = tracking_uri() if tracking_uri().startswith(("http://", "https://")) else ""
    aliased = f"models:/{name}@" if registry else f"artifact://{name}.model:"
    if model:
        address, shown = _address(model), model
    else:
        address = aliased + "champion"
        shown = f"{name} {_in_registry(registry, name) if registry else _in_store(name)}"
    environment = variables_of(case.serve, address, aliased + "challenger", str(home() / "requests"))
    # Nobody here has to learn that requests go elsewhere, but a client may be just sending one.
    environment |= {f"{PREFIX}NAME": name, f"{PREFIX}DRAIN": "1"}
    environment |= {key: value for key, value in os.environ.items() if key.startswith(PREFIX)}
    environment |= {"TABPIPE_ARTIFACTS": default_url(), "TABPIPE_HOME": str(home())}
    if registry:
        environment["MLFLOW_TRACKING_URI"] = registry
    return Wanted(name, case.serve, address, shown, environment)


def _address(model: str) -> str:
    """The address of a model that a person has named: a path is one from here, not from where the server starts."""
    return model if model.startswith(("models:", "artifact:")) else str(Path(model).absolute())


def _in_store(name: str) -> str:
    """The champion's version in the artifact store."""
    from components.common.artifacts import open_store
    from components.common.registry import standing

    store = open_store()
    champion = standing(store, name).champion
    if champion is None:
        raise _none(name, store.place.shown)
    return f"v{champion.number}"


def _in_registry(registry: str, name: str) -> str:
    """The champion's version in MLflow's registry."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException

    from components.common.sources import redact
    from tabpipe.environment import environment
    from tabpipe.tracker import QUICK

    try:
        with environment(QUICK):
            return f"v{MlflowClient(registry, registry).get_model_version_by_alias(name, 'champion').version}"
    except (MlflowException, RequestException) as error:
        code = getattr(error, "error_code", "")
        if code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise _none(name, redact(registry)) from None
        raise Refusal(
            f"MLflow does not answer: {str(error).splitlines()[0][:300]}",
            where="MLFLOW_TRACKING_URI",
            value=redact(registry),
            mend=f"start it; or, without it: --model artifact://{name}.model:champion",
        ) from None


def _none(name: str, place: str) -> Refusal:
    return Refusal(
        f"{name} has no champion yet",
        where=place,
        mend=f"make run CONFIG={name} trains one, tabpipe models promote {name} vN makes one of those that are there",
    )
