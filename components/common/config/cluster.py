"""Section `cluster`: what steps may use on a cluster, how long they may take, and how often they are tried."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from components.common.config.base import Section

_QUANTITY = re.compile(r"\d+(\.\d+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _quantity(text: str) -> str:
    if not _QUANTITY.fullmatch(text):
        raise ValueError("a Kubernetes quantity, for instance 500m, 2 or 4Gi")
    return text


def _duration(value: object) -> object:
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+)([smhd])", value)):
        return int(match[1]) * _SECONDS[match[2]]
    if isinstance(value, str):
        raise ValueError("a number of seconds, or one with a unit: 90s, 30m, 4h, 1d")
    return value


def _variable(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise ValueError("a variable's name has letters, digits and _, and starts with no digit")
    return text


_NUMBER_OR_TEXT = {"anyOf": [{"type": "number"}, {"type": "string"}]}

Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) in (int, float) else value),
    AfterValidator(_quantity),
    WithJsonSchema(_NUMBER_OR_TEXT),
]


def _store(text: str) -> str:
    if not re.fullmatch(r"s3://[^/@]+(/.*)?", text):
        raise ValueError("s3://bucket/prefix: a folder of a pod goes with the pod")
    return text


Seconds = Annotated[int, BeforeValidator(_duration), Field(ge=1), WithJsonSchema(_NUMBER_OR_TEXT)]
Variable = Annotated[str, AfterValidator(_variable)]


class Resources(Section):
    """What a step asks for and may use. What is absent is left open."""

    cpu_request: Quantity | None = None
    cpu_limit: Quantity | None = None
    memory_request: Quantity | None = None
    memory_limit: Quantity | None = None


class StepSettings(Resources):
    """What differs for one step."""

    timeout: Seconds | None = None


class Retry(Section):
    """How often a step that failed is tried again, and how long is waited in between."""

    times: int = Field(default=2, ge=0)
    """Tries after the first."""
    backoff: Seconds = 10
    """Wait before the second try; it doubles from try to try."""


class SecretKey(Section):
    """One value of a Kubernetes Secret in the namespace of the runs."""

    secret: str
    """The Secret's name."""
    key: str
    """The key in it."""


class Toleration(Section):
    """A taint of nodes that steps put up with."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Cluster(Section):
    """Settings of compiled pipelines. A run on this machine takes no notice of them."""

    resources: Resources = Field(
        default_factory=lambda: Resources(cpu_request="250m", memory_request="512Mi", memory_limit="4Gi")
    )
    """Of every step."""
    timeout: Seconds = 4 * 3600
    """Longest time of one try of a step, in seconds or with a unit (4h). A step over it is ended and tried again."""
    steps: dict[str, StepSettings] = Field(default_factory=dict)
    """Step to what differs for it."""
    retry: Retry = Field(default_factory=Retry)
    """Of every step."""
    run_as_user: int | None = Field(default=10001, ge=1)
    """The user that steps run as, never root; null leaves it to the cluster, as OpenShift wants it."""
    run_as_group: int | None = Field(default=10001, ge=1)
    """Its group."""
    mlflow: str = "http://mlflow.kubeflow:5000"
    """Where steps find MLflow; empty where nothing is tracked, or Kubeflow's plugin tells them."""
    artifacts: Annotated[str, AfterValidator(_store)] = "s3://tabpipe/artifacts"
    """Where steps keep what they make, and who is champion: by default in the cluster's own MinIO."""
    environment: dict[Variable, str] = Field(default_factory=dict)
    """Variables of every step, for instance AWS_ENDPOINT_URL. No secrets: these stand in the compiled file."""
    secrets: dict[Variable, SecretKey] = Field(default_factory=dict)
    """Variable of every step to the Kubernetes Secret that holds its value, for instance AWS_SECRET_ACCESS_KEY."""
    image_pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    """When nodes ask the registry. A tag names one content, so what a node has need not be asked for."""
    image_pull_secrets: list[str] = Field(default_factory=list)
    """Kubernetes Secrets with the registry's credentials."""
    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels that a node must have to run steps."""
    tolerations: list[Toleration] = Field(default_factory=list)
    """Taints of nodes that steps put up with."""
