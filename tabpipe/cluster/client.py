"""The cluster that KUBECONFIG points at, and Kubeflow's and MLflow's programming interfaces on it.

All of them are reached through the Kubernetes API and with its credentials, so that neither a port nor an address of
theirs must be open to this machine.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.common.base.errors import Refusal

NAMESPACE = "kubeflow"
PATIENCE = (5, 30)
"""Seconds that a request may take to connect, and to be answered."""
REGISTRY_HOSTING = ("local-registry-hosting", "kube-public")
"""Name and namespace of the ConfigMap by which a cluster advertises its registry."""
NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "ErrImageInspect")
"""Reasons for which a container waits that its image is to blame for."""


@dataclass
class Cluster:
    """A cluster that answers."""

    context: str
    """The name of the kubeconfig's context."""
    kfp: Any
    """`kfp.Client`."""
    core: Any
    """`kubernetes.client.CoreV1Api`."""
    custom: Any
    """`kubernetes.client.CustomObjectsApi`."""

    def mlflow(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Asks MLflow's REST API, by POST.

        Args:
            path: For instance `runs/search`.
            body: What is asked.
        """
        client = self.core.api_client
        url = f"{client.configuration.host}/api/v1/namespaces/{NAMESPACE}/services/mlflow:5000/proxy/api/2.0/mlflow/"
        # MLflow answers to its own names only; by the proxy of Kubernetes it would be asked by that of the API server.
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Host": "mlflow:5000"}
        client.update_params_for_auth(headers, [], ["BearerToken"])
        answer = client.rest_client.POST(url + path, headers=headers, body=body, _request_timeout=PATIENCE)
        return json.loads(answer.data)


def connect() -> Cluster:
    """Reaches the cluster of the current context.

    Raises:
        Refusal: No kubeconfig, no answer, no permission, or no Kubeflow on it.
    """
    from kubernetes import client, config

    try:
        config.load_kube_config()
        context = config.list_kube_config_contexts()[1]["name"]
    except (config.ConfigException, TypeError) as error:
        raise no_cluster(str(error).strip()) from None
    with answered(context):
        from urllib3 import Retry

        settings = client.Configuration.get_default_copy()
        settings.retries = Retry(1, redirect=3)  # a cluster that is away is away: this is no time to wait minutes
        api = client.ApiClient(settings)
        core = client.CoreV1Api(api)
        core.read_namespaced_service("ml-pipeline", NAMESPACE, _request_timeout=PATIENCE)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # says which servers it works with
            import kfp

            pipelines = kfp.Client(namespace=NAMESPACE)
        pipelines.list_experiments(page_size=1, namespace=NAMESPACE)
        return Cluster(context, pipelines, core, client.CustomObjectsApi(api))


def no_cluster(reason: str) -> Refusal:
    """Words that no kubeconfig names a cluster."""
    return Refusal(
        f"there is no cluster to talk to: {reason}",
        where="KUBECONFIG",
        rule="a kubeconfig file with a current context",
        mend="`make cluster` makes a cluster on this machine; for another one, export KUBECONFIG=path",
    )


def no_answer(reason: Any, where: str) -> Refusal:
    """Words that a cluster is out of reach."""
    return Refusal(
        f"the cluster does not answer: {reason}",
        where=where,
        mend="is it running, and does KUBECONFIG name the right one? `kubectl cluster-info` asks it too",
    )


def advertised_registry(data: Mapping[str, str] | None) -> str:
    """The registry that a cluster advertises as its local one (KEP-1755), such as kind's; else none.

    Args:
        data: Of the ConfigMap REGISTRY_HOSTING, which not everybody may read.
    """
    import yaml

    try:
        return str((yaml.safe_load((data or {}).get("localRegistryHosting.v1", "")) or {}).get("host", ""))
    except yaml.YAMLError:
        return ""


@contextmanager
def answered(context: str) -> Iterator[None]:
    """Words what can go wrong between this machine and a cluster."""
    import kfp_server_api
    import urllib3
    from kubernetes.client import ApiException

    try:
        yield
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise no_answer(reason, f"context {context}") from None
    except (ApiException, kfp_server_api.ApiException) as error:
        raise _refusal(context, error) from None


def _refusal(context: str, error: Any) -> Refusal:
    where, said = f"context {context}", message_of(error)
    if error.status in (401, 403):
        return Refusal(
            f"the cluster does not allow it: {said}",
            where=where,
            rule=f"pods, services and services/proxy of the namespace {NAMESPACE} must be open to you",
            mend="ask whoever runs the cluster, or choose another context",
        )
    if error.status == 404 and "ml-pipeline" in said:
        return Refusal("Kubeflow Pipelines is not on this cluster", where=where, mend="`make install` puts it there")
    if error.status == 503:
        return Refusal(
            f"Kubeflow Pipelines is on this cluster, but not ready: {said}",
            where=where,
            mend="`make install` waits until it is, and says what is wrong with it",
        )
    return Refusal(f"the cluster refused a request ({error.status}): {said}", where=where)


def message_of(error: Any) -> str:
    """The message in an error that Kubernetes or Kubeflow answered with."""
    try:
        answer = json.loads(error.body)
    except (TypeError, ValueError):
        return str(error.body or error.reason or error).strip()
    return str(answer.get("message") or answer.get("error") or answer).strip()
