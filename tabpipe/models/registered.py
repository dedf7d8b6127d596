"""Models of MLflow's registry by their addresses."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.common.base.errors import Refusal, innermost
from components.common.base.redact import redact
from components.common.registry import CHAMPION, model_name
from components.common.registry.mlflow_sync import ARTIFACT
from tabpipe.environment import environment
from tabpipe.tracking.tracker import QUICK

_ADDRESS = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/([0-9]+))")
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
"""What MLflow answers where there is no such model, version or alias."""
_LONGEST = 300
"""Characters of an error that are shown."""


@dataclass(frozen=True)
class Registered:
    """What an address names."""

    name: str
    alias: str | None
    number: str | None
    """Of the version, where no alias is given."""

    def version(self, registry: str) -> Any | None:
        """MLflow's ModelVersion that is meant now; None where there is none.

        Args:
            registry: Where the registry is.

        Raises:
            Refusal: The registry does not answer.
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException

        try:
            with environment(QUICK):
                client = MlflowClient(registry, registry)
                if self.alias:
                    return client.get_model_version_by_alias(self.name, self.alias)
                return client.get_model_version(self.name, self.number)
        except (MlflowException, RequestException) as error:
            if getattr(error, "error_code", "") in _UNKNOWN:
                return None
            raise Refusal(
                f"MLflow does not answer: {cause_of(error)}",
                where="MLFLOW_TRACKING_URI",
                value=redact(registry),
                mend=f"start it; or, without it: --model artifact://{model_name(self.name)}:{self.alias or CHAMPION}",
            ) from None


def registered(address: str) -> Registered:
    """Reads `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises:
        Refusal: It is neither.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise Refusal(
            "this names no model of a registry",
            where="--model",
            value=address,
            rule="models:/NAME@ALIAS or models:/NAME/VERSION",
        )
    return Registered(*match.groups())


def called(number: str, tags: Mapping[str, str]) -> str:
    """A version as people are told of it: MLflow counts its own, so beside its number stands the artifact's name.

    Args:
        number: MLflow's.
        tags: Of the version.
    """
    return f"{number} ({tags[ARTIFACT]})" if tags.get(ARTIFACT) else number


def cause_of(error: BaseException) -> str:
    """What an error of MLflow comes down to: what the system says where a server is out of reach, else its first line.

    MLflow wraps what requests says, which wraps what urllib3 says, each with the address.
    """
    # MLflow raises its own errors while it handles those of requests, and does not say of which they come.
    inner = innermost(error.__cause__ or error.__context__ or error)
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror.lower()
    said = str(error).strip()
    return said.splitlines()[0][:_LONGEST] if said else type(error).__name__
