"""The objects of a deployed server: what kustomize renders, with the use case's name, image and settings in it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.common.base.errors import Refusal, nearest
from components.common.config.cluster import Cluster, Resources
from components.common.config.serve import Serve
from tabpipe.install import manifests
from tabpipe.project import ROOT
from tabpipe.serving.server_variables import PREFIX, seconds_to_end, variables_of

SERVING = "serving"
"""The folder of the manifests, and of an overlay's part for them."""
USE_CASE = "tabpipe/use-case"
"""Annotation: whose server it is."""
MODEL = "tabpipe/model"
"""Annotation: the address of its model."""
LOG = "s3://tabpipe/requests"
"""Where requests and predictions are kept on a cluster: in its own MinIO."""
MLFLOW = "http://mlflow:5000"
"""The MLflow that `make install` puts beside it."""
SETTINGS = "tabpipe/settings"
"""Annotation of the pods: a digest of the settings, under KServe of all that they are made of."""
_PLACEHOLDER = "serve-use-case"
_LONGEST = 63
_BEFORE_TERM, _SPARE = 3, 10
"""Seconds of the preStop hook, and those beyond what the server takes to end at most."""


@dataclass(frozen=True)
class Told:
    """What the objects of one use case are made of."""

    use_case: str
    serve: Serve
    cluster: Cluster
    image: str
    namespace: str
    model: str
    """The address of the model."""
    secret: str = ""
    """The version of the Secret that holds the API key; empty where there is none."""


def name_of(use_case: str) -> str:
    """The name of a use case's objects.

    Raises:
        Refusal: Kubernetes knows no such names.
    """
    name = "serve-" + re.sub(r"[^a-z0-9]+", "-", use_case.lower()).strip("-")
    if len(name) > _LONGEST or name == "serve-":
        raise Refusal(
            "no name of a Service can be made of it",
            where="the use case's name",
            value=use_case,
            rule=f"letters and digits, at most {_LONGEST - len('serve-')}",
            mend="rename the config",
        )
    return name


def overlay(name: str, root: Path = ROOT) -> Path:
    """The folder to render: that of an overlay, or the plain one.

    Raises:
        Refusal: There is no such overlay with a part for serving.
    """
    if not name:
        return root / "manifests" / SERVING
    overlays = root / "manifests" / "overlays"
    known = [path.parent.parent.name for path in overlays.glob(f"*/{SERVING}/kustomization.yaml")]
    if name not in known:
        raise Refusal(
            f"there is no overlay {name!r} for serving", where="manifests/overlays", mend=nearest(name, known)
        )
    return overlays / name / SERVING


def objects_of(folder: Path, told: Told, replicas: int | None) -> list[dict[str, Any]]:
    """Renders a folder for a use case.

    Args:
        folder: What `overlay` gave.
        told: What is to be in the objects.
        replicas: How many servers there shall be at first; None leaves it open.
    """
    name = name_of(told.use_case)
    objects = [_renamed(thing, name) for thing in manifests.render(folder)]
    manifests.put_namespace(objects, told.namespace)
    variables = settings_of(told)
    for thing in objects:
        if thing["kind"] == "ConfigMap":
            thing["data"] = variables
        elif thing["kind"] == "HorizontalPodAutoscaler":
            _scale(thing["spec"], told.serve)
        elif thing["kind"] == "NetworkPolicy" and not (own_log(told.serve) and own_mlflow(told.cluster)):
            thing["spec"]["policyTypes"].remove("Egress")
            del thing["spec"]["egress"]
    for thing, pod, notes in pods_of(objects):
        thing["metadata"].setdefault("annotations", {}).update({USE_CASE: told.use_case, MODEL: told.model})
        _fit(pod, told)
        notes[SETTINGS] = _digest([variables, told.secret])  # other settings or another key: other pods
        if thing["kind"] == "InferenceService":
            notes[SETTINGS] = _digest([variables, told.secret, pod])  # tells what KServe has brought to its pods
            pod |= {"minReplicas": told.serve.replicas.min, "maxReplicas": told.serve.replicas.max}
            pod["scaleTarget"] = told.serve.replicas.cpu
        elif replicas is not None:
            thing["spec"]["replicas"] = replicas
    return objects


def settings_of(told: Told) -> dict[str, str]:
    """The variables of the server that are no secrets."""
    variables = variables_of(told.serve, told.model, f"models:/{told.use_case}@challenger", LOG)
    variables |= {f"{PREFIX}NAME": told.use_case, "MLFLOW_TRACKING_URI": mlflow_of(told.cluster)}
    if isinstance(told.serve.log, str):
        variables |= told.cluster.environment
    return variables


def own_log(serve: Serve) -> bool:
    """Whether the log is in the cluster's own MinIO, or there is none."""
    return not isinstance(serve.log, str)


def own_mlflow(cluster: Cluster) -> bool:
    """Whether the model comes from the MLflow that `make install` puts on the cluster."""
    return mlflow_of(cluster) == MLFLOW


def mlflow_of(cluster: Cluster) -> str:
    """Where the server finds MLflow: that of its own namespace, where the config leaves its address as it is."""
    return MLFLOW if cluster.mlflow in ("", Cluster().mlflow) else cluster.mlflow


def _digest(of: Any) -> str:
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


def pods_of(objects: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, str]]]:
    """Each workload with its pod and the annotations of that."""
    for thing in objects:
        if thing["kind"] == "Deployment":
            template = thing["spec"]["template"]
            yield thing, template["spec"], template["metadata"].setdefault("annotations", {})
        elif thing["kind"] == "InferenceService":
            pod = thing["spec"]["predictor"]
            yield thing, pod, pod.setdefault("annotations", {})


def _fit(pod: dict[str, Any], told: Told) -> None:
    """Puts image, resources, the time to end and the keys of the log into a pod."""
    pod["terminationGracePeriodSeconds"] = _BEFORE_TERM + seconds_to_end(told.serve) + _SPARE
    (container,) = pod["containers"]
    container["image"] = told.image
    container["resources"] = _resources(told.serve.resources)
    if told.serve.log is not True:
        container["env"] = [each for each in container["env"] if not each["name"].startswith("AWS_")]
    if isinstance(told.serve.log, str):
        container["env"] += [
            {"name": name, "valueFrom": {"secretKeyRef": {"name": where.secret, "key": where.key}}}
            for name, where in told.cluster.secrets.items()
        ]


def _scale(spec: dict[str, Any], serve: Serve) -> None:
    spec |= {"minReplicas": serve.replicas.min, "maxReplicas": serve.replicas.max}
    spec["metrics"][0]["resource"]["target"]["averageUtilization"] = serve.replicas.cpu


def _resources(wanted: Resources) -> dict[str, dict[str, str]]:
    given = {
        "requests": {"cpu": wanted.cpu_request, "memory": wanted.memory_request},
        "limits": {"cpu": wanted.cpu_limit, "memory": wanted.memory_limit},
    }
    filled = {part: {key: value for key, value in of.items() if value} for part, of in given.items()}
    return {part: of for part, of in filled.items() if of}


def _renamed(value: Any, name: str) -> Any:
    """An object with the use case's name wherever the manifests have their placeholder."""
    if isinstance(value, dict):
        return {key: _renamed(inner, name) for key, inner in value.items()}
    if isinstance(value, list):
        return [_renamed(inner, name) for inner in value]
    return name if value == _PLACEHOLDER else value
