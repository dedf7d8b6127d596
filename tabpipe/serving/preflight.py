"""What a deployment needs on a cluster, looked at before anything is changed there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components.common.base.errors import Refusal
from components.common.registry.mlflow_sync import ARTIFACT
from tabpipe.cluster.client import REGISTRY_HOSTING, advertised_registry
from tabpipe.cluster.forward import forwarded
from tabpipe.cluster.kubectl import Failed, Kubectl
from tabpipe.cluster.secrets import STORE
from tabpipe.serving import kserve, kubernetes_objects

API_KEY = "api-key"
"""The key of the Secret `serve-USE-CASE` that requests for predictions must bring, where there is this Secret."""


def with_secret(kubectl: Kubectl, told: kubernetes_objects.Told) -> kubernetes_objects.Told:
    """Looks whether a namespace has what the server needs, and whether there is a Secret with its API key.

    Raises:
        Refusal: MLflow or MinIO is lacking, or that Secret has no such key.
    """
    where = f"context {kubectl.context}, namespace {told.namespace}"
    found = kubectl.items("get", "services,secrets", "--namespace", told.namespace)
    names = {(thing["kind"], thing["metadata"]["name"]): thing for thing in found}
    if kubernetes_objects.own_mlflow(told.cluster) and ("Service", "mlflow") not in names:
        raise Refusal(
            "there is no MLflow, which the model comes from",
            where=where,
            mend="`make install` puts it there (ARGS='--only platform --namespace …'); cluster.mlflow of the config "
            "names another",
        )
    if told.serve.log is True and ("Secret", STORE) not in names:
        raise Refusal(
            "there is no MinIO, where requests are logged",
            where=where,
            mend="serve.log=false, or serve.log=s3://bucket/prefix with its keys under cluster.secrets",
        )
    own = names.get(("Secret", kubernetes_objects.name_of(told.use_case)))
    if own and API_KEY not in own.get("data", {}):
        raise Refusal(
            "the Secret of the server has no API key",
            where=f"{where}, Secret {own['metadata']['name']}",
            rule=f"the key {API_KEY}",
            mend="add it, or delete the Secret",
        )
    return replace(told, secret=own["metadata"]["resourceVersion"]) if own else told


def champion(kubectl: Kubectl, namespace: str, use_case: str) -> str:
    """The champion's version in the cluster's MLflow, in words."""
    import requests

    asked = {"name": use_case, "alias": "champion"}
    with forwarded(kubectl, "mlflow", 5000, "the cluster's MLflow", namespace) as url, requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(f"{url}/api/2.0/mlflow/registered-models/alias", params=asked, timeout=30)
        except requests.RequestException as error:
            raise Refusal(
                f"the cluster's MLflow does not answer: {error}", where=f"context {kubectl.context}"
            ) from None
    if answer.status_code in (400, 404):
        raise Refusal(
            f"{use_case} has no champion yet",
            where=f"MLflow of context {kubectl.context}, namespace {namespace}",
            mend=f"make submit CONFIG={use_case} trains one there",
        )
    if not answer.ok:
        raise Refusal(
            f"the cluster's MLflow refused a request ({answer.status_code})", where=f"context {kubectl.context}"
        )
    found = answer.json()["model_version"]
    # MLflow counts versions of its own, so beside its number stands the artifact's name.
    names = [tag["value"] for tag in found.get("tags", []) if tag["key"] == ARTIFACT]
    return f"{found['version']} ({names[0]})" if names else str(found["version"])


def there(kubectl: Kubectl, name: str, use_case: str, namespace: str) -> list[dict[str, Any]]:
    """The Deployment or the InferenceService that is there already."""
    found = kubectl.items("get", "deployment", name, "--namespace", namespace, "--ignore-not-found")
    found += kserve.there(kubectl, namespace, name, "--ignore-not-found")
    for thing in found:
        whose = thing["metadata"].get("annotations", {}).get(kubernetes_objects.USE_CASE)
        if whose not in (None, use_case):
            raise Refusal(
                f"the name {name} is that of another use case's server",
                where=f"namespace {namespace}",
                value=whose,
                mend=f"rename the config, or tabpipe undeploy {whose} first",
            )
    return found


def own_registry(kubectl: Kubectl) -> str:
    """The registry that the cluster advertises as its local one; else none."""
    name, namespace = REGISTRY_HOSTING
    try:
        found = kubectl.json("get", "configmap", name, "--namespace", namespace, "--ignore-not-found")
    except Failed:  # it is not for everybody to read
        return ""
    return advertised_registry((found or {}).get("data"))
