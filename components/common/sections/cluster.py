"""Section `cluster`: what steps may use on a cluster, and how often they are tried."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from components.common.sections.section import Section


class Resources(Section):
    """What a step asks for and may use; Kubernetes quantities such as 500m and 2Gi. What is absent is left open."""

    model_config = ConfigDict(coerce_numbers_to_str=True)

    cpu_request: str | None = None
    cpu_limit: str | None = None
    memory_request: str | None = None
    memory_limit: str | None = None


class Retry(Section):
    """How often a step that failed is tried again, and how long is waited in between."""

    times: int = Field(default=2, ge=0)
    """Tries after the first."""
    backoff_seconds: int = Field(default=10, ge=0)
    """Wait before the second try; it doubles from try to try."""
    longest_seconds: int = Field(default=300, ge=0)
    """Longest wait."""


class Cluster(Section):
    """Settings of compiled pipelines. A run on this machine takes no notice of them."""

    resources: Resources = Field(
        default_factory=lambda: Resources(cpu_request="250m", memory_request="512Mi", memory_limit="4Gi")
    )
    """Of every step."""
    steps: dict[str, Resources] = Field(default_factory=dict)
    """Step to what differs for it."""
    retry: Retry = Field(default_factory=Retry)
    """Of every step."""
