"""What a step has to tell the tracking server, and the variables that say where to."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.common.base.redact import redact

SPOOL = "TABPIPE_TRACKING_SPOOL"
KFP_RUN = "TABPIPE_KFP_RUN_ID"
KEYS = 100
"""A parameter each have the keys of a mapping that has at most so many."""


@dataclass
class Record:
    """What one step (or one whole pipeline run) has to tell the tracking server."""

    name: str
    started: float = 0.0
    """Seconds since the epoch."""
    ended: float = 0.0
    """Seconds since the epoch."""
    status: str = "FAILED"
    """FINISHED or FAILED, as MLflow has them."""
    parameters: dict[str, str] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    files: list[list[str]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    candidate: dict[str, Any] = field(default_factory=dict)
    """A model for the registry: use_case, digest, path and tags; empty where the step has none."""
    settles: bool = False
    """Whether the registry's aliases are to follow the store's now."""

    def params(self, values: dict[str, Any], prefix: str = "") -> None:
        """Notes parameters, without the secrets of addresses.

        Nested dicts become dotted names; one of more than `KEYS` keys, such as the columns of a wide table, stays one
        parameter: MLflow takes minutes for thousands.
        """
        for key, value in values.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict) and len(value) > KEYS:
                self.parameters[_name(name)] = f"{len(value):,} entries: {_text(value)}"
            elif isinstance(value, dict):
                self.params(value, f"{name}.")
            else:
                self.parameters[_name(name)] = _text(value)

    def metrics(self, values: Mapping[str, float], prefix: str = "") -> None:
        """Notes metrics."""
        self.scores.update({_name(f"{prefix}{key}"): float(value) for key, value in values.items()})

    def used(self, name: str, artifact: Any) -> None:
        """Links an input artifact: its name, where it is, and the digest its maker stamped on it."""
        meta = artifact.metadata
        self.inputs.append(
            {
                "name": name,
                "uri": artifact.uri,
                "digest": str(meta.get("digest", ""))[:36],  # MLflow takes no longer one
                "full": str(meta.get("digest", "")),
                "rows": meta.get("rows"),
            }
        )

    def made(self, name: str, artifact: Any) -> None:
        """Links an output artifact as tags `output.NAME` and `output.NAME.digest`."""
        self.tags[f"output.{name}"] = artifact.uri
        if digest := artifact.metadata.get("digest"):
            self.tags[f"output.{name}.digest"] = str(digest)
        self.outputs.append({"name": name, "path": artifact.path, "metadata": dict(artifact.metadata)})

    def registers(self, use_case: str, model: Any, tags: dict[str, Any], *, settles: bool = False) -> None:
        """Notes a saved model that the registry shall have; and, if `settles`, that its aliases may have moved."""
        self.candidate = {
            "use_case": use_case,
            "digest": model.metadata["digest"],
            "path": model.path,
            "tags": tags,
        }
        self.settles = settles

    def file(self, path: str, folder: str = "", name: str = "") -> None:
        """Notes a file to keep with the run, in a folder of its artifacts, under another name if one is given."""
        self.files.append([str(path), folder, name or os.path.basename(str(path))])


def _text(value: Any) -> str:
    """A parameter's value as MLflow shows it."""
    return redact(value) if isinstance(value, str) else json.dumps(_redacted(value), default=str)


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redacted(inner) for inner in value]
    return redact(value) if isinstance(value, str) else value


def _name(text: str) -> str:
    """A name that MLflow accepts: of letters, digits and `_-.: `, nothing like a path, at most 250 characters."""
    plain = re.sub(r"[^\w.\-: ]", "_", text[:250], flags=re.ASCII)
    return re.sub(r"^\.|\.{2,}|\.$", "_", plain) or "_"
