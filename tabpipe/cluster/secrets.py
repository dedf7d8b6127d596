"""Passwords, made by chance where a cluster has none; they are seen by nobody and lie on no disk of this machine."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable

from components.common.base.errors import Refusal
from tabpipe.cluster.kubectl import Kubectl, as_list
from tabpipe.compile.kubernetes_config import STORE

DATABASE, KFP_DATABASE = "mlflow-database", "mysql-secret"
KEYS: dict[str, dict[str, int | str]] = {
    STORE: {"accesskey": 20, "secretkey": 40},
    DATABASE: {"password": 32},
    KFP_DATABASE: {"username": "root", "password": 32},
}
"""Of each Secret the keys: how long a value is made, or the value."""
_VOLUMES = {DATABASE: "data-mlflow-database-0", KFP_DATABASE: "mysql-pv-claim"}
"""Volumes of databases that keep the password which they were made with."""
_LETTERS = string.ascii_letters + string.digits  # they need no quoting in an address


def make(kubectl: Kubectl, namespace: str, names: Iterable[str]) -> list[str]:
    """Makes those of the Secrets that are not there; the others stay as they are.

    Returns:
        The names of those that were made.

    Raises:
        Refusal: One that is there lacks a key, or one that is not there has locked a database.
    """
    found = {
        thing["metadata"]["name"]: set(thing.get("data", {}))
        for thing in kubectl.items("get", "secrets", "--namespace", namespace)
    }
    volumes = {thing["metadata"]["name"] for thing in kubectl.items("get", "pvc", "--namespace", namespace)}
    wanted = []
    for name in names:
        where = f"Secret {namespace}/{name}"
        if name not in found:
            if _VOLUMES.get(name) in volumes:
                raise Refusal(
                    "it is gone, but the database that was made with its password is there",
                    where=where,
                    value=f"PersistentVolumeClaim {_VOLUMES[name]}",
                    mend="restore the Secret; or, if the data may go, "
                    f"kubectl delete pvc --namespace {namespace} {_VOLUMES[name]}",
                )
            wanted.append(name)
        elif lacking := sorted(set(KEYS[name]) - found[name]):
            raise Refusal(
                "it lacks keys",
                where=where,
                value=", ".join(lacking),
                rule=f"the keys {', '.join(KEYS[name])}",
                mend="add them, or delete it and install again",
            )
    if wanted:
        kubectl("create", "--filename", "-", stdin=as_list(_secret(namespace, name) for name in wanted))
    return wanted


def _secret(namespace: str, name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/part-of": "tabpipe"}},
        "stringData": {
            key: rule if isinstance(rule, str) else "".join(secrets.choice(_LETTERS) for _ in range(rule))
            for key, rule in KEYS[name].items()
        },
    }
