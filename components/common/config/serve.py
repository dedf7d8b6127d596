"""Section `serve`: how the server of a use case answers, and what it may use on a cluster."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from components.common.config.base import Section
from components.common.config.cluster import Resources, Seconds


def _log(place: bool | str) -> bool | str:
    if isinstance(place, str) and not re.fullmatch(r"s3://[^/@\s]+(/\S*)?", place):
        raise ValueError("true, false, or s3://bucket/prefix")
    return place


class Challenger(Section):
    """What the model with the alias challenger is asked, while there is one."""

    fraction: float = Field(default=0.0, ge=0, le=1)
    """Share of the request keys that it answers instead of the champion."""
    shadow: bool = False
    """Whether it is asked all that the champion is asked; the champion's answers are given, the log keeps both."""

    @model_validator(mode="after")
    def _one_of_them(self) -> Challenger:
        if self.shadow and self.fraction:
            raise ValueError("fraction or shadow: a model that answers some requests is no shadow")
        return self


class Limits(Section):
    """What a request may be; more is refused."""

    bytes: int = Field(default=10_000_000, ge=1_000)
    """Of a request's body."""
    rows: int = Field(default=10_000, ge=1)
    """Of one request."""
    cell: int = Field(default=100_000, ge=1)
    """Characters of one value."""
    timeout: Seconds = 10
    """Seconds for sending a request, and for answering it."""
    waiting: int = Field(default=256, ge=1)
    """Requests at once; more are told to come back later."""


class Replicas(Section):
    """How many servers there are on a cluster."""

    min: int = Field(default=2, ge=1)
    """At least."""
    max: int = Field(default=6, ge=1)
    """At most, when they are busy."""
    cpu: int = Field(default=70, ge=10, le=100)
    """Percent of the CPU that they ask for, above which there are more of them."""

    @model_validator(mode="after")
    def _ordered(self) -> Replicas:
        if self.max < self.min:
            raise ValueError(f"max must be at least min, which is {self.min}")
        return self


class Serve(Section):
    """How the champion answers requests."""

    challenger: Challenger = Field(default_factory=Challenger)
    """What the challenger does beside the champion."""
    extra_columns: Literal["refuse", "ignore"] = "refuse"
    """What becomes of a request with columns that the model does not know."""
    id_column: str | None = None
    """A column of requests that is no feature but names the row; the log keeps it."""
    limits: Limits = Field(default_factory=Limits)
    """What a request may be."""
    log: Annotated[bool | str, AfterValidator(_log)] = True
    """Whether requests and predictions are kept, or the s3://bucket/prefix where. By default they go to the folder of
    outputs on this machine, and to the cluster's own MinIO on a cluster."""
    poll: Seconds = 2
    """Between two looks at who is champion."""
    drain: int = Field(default=5, ge=0, le=60)
    """Seconds for which a server that is told to end still takes requests, until nobody sends it any."""
    replicas: Replicas = Field(default_factory=Replicas)
    """On a cluster."""
    resources: Resources = Field(
        default_factory=lambda: Resources(cpu_request="250m", memory_request="512Mi", memory_limit="1Gi")
    )
    """Of each server on a cluster."""
