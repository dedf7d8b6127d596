"""Models of MLflow's registry by their addresses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.common.errors import Refusal
from components.common.registry.mirror import ARTIFACT

_ADDRESS = re.compile(r"models:/([^/@]+)(?:@([^/@]+)|/([0-9]+))")


@dataclass(frozen=True)
class Registered:
    """What an address names."""

    name: str
    alias: str | None
    number: str | None
    """Of the version, where no alias is given."""

    def version(self, client: Any) -> Any:
        """MLflow's ModelVersion that is meant now; raises what MLflow raises.

        Args:
            client: An MlflowClient.
        """
        if self.alias:
            return client.get_model_version_by_alias(self.name, self.alias)
        return client.get_model_version(self.name, self.number)


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
