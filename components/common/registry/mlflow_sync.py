"""MLflow's registry, as it follows: a version for each model that was trained, aliases where the store has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.common.artifacts import Store
from components.common.registry.champion import CHALLENGER, CHAMPION, Standing, settle, standing

DIGEST, ARTIFACT, MOVES = "tabpipe.digest", "tabpipe.artifact", "tabpipe.moves"
"""Tags: of a version the digest of its model and its name among the artifacts, of a model the moves that were seen."""
_FOLDER = "model"


def register(
    client: Any, use_case: str, digest: str, *, run_id: str, path: str = "", tags: Mapping[str, Any] | None = None
) -> Any:
    """Registers a model as a candidate: a version without an alias. The same model is registered once.

    Args:
        client: An MlflowClient.
        use_case: The registered model's name.
        digest: Of the model's folder.
        run_id: The MLflow run that it belongs to, with the model under `model`.
        path: The model's folder, where it is not with the run yet.
        tags: What else to note: metrics, digests of the data.

    Returns:
        MLflow's ModelVersion.
    """
    _make_sure_of(client, use_case)
    if found := registered(client, use_case, digest):
        return found
    if path:
        client.log_artifacts(run_id, path, _FOLDER)
    noted = {DIGEST: digest, **{key: str(value) for key, value in (tags or {}).items() if value not in (None, "")}}
    return client.create_model_version(use_case, f"runs:/{run_id}/{_FOLDER}", run_id, tags=noted)


def registered(client: Any, use_case: str, digest: str) -> Any | None:
    """The version of a model with a digest; None where it was never registered."""
    found = client.search_model_versions(f"name = '{use_case}' and tags.`{DIGEST}` = '{digest}'", max_results=1)
    return found[0] if found else None


def mirror(client: Any, store: Store, use_case: str) -> list[str]:
    """Brings MLflow's aliases to where the store has them.

    It looks at how things are, not at what was just done: whatever stopped an earlier call, this one makes it good.
    A champion that somebody moved in MLflow by hand since the last call is left alone, and told of.

    Args:
        client: An MlflowClient.
        store: The artifact store.
        use_case: Whose model.

    Returns:
        What a person should know; nothing if all is well.
    """
    words: list[str] = []
    _make_sure_of(client, use_case)
    now = settle(store, use_case)
    while True:
        words = _follow(client, use_case, now)
        seen, now = now, standing(store, use_case)
        if now.moves == seen.moves:  # else somebody else has moved it, and may have written MLflow before us
            return words


def _follow(client: Any, use_case: str, now: Standing) -> list[str]:
    model = client.get_registered_model(use_case)
    present = {alias: str(version) for alias, version in model.aliases.items()}
    known = int(model.tags.get(MOVES) or 0)
    wanted: dict[str, str | None] = {}
    words = []
    for alias, version in now.aliases.items():
        if version is None:
            wanted[alias] = None
        elif (found := registered(client, use_case, version.digest)) is not None:
            wanted[alias] = str(found.version)
            if found.tags.get(ARTIFACT) != version.ref:
                client.set_model_version_tag(use_case, found.version, ARTIFACT, version.ref)
        else:
            words.append(f"MLflow does not know {version.ref}, the {alias}: it was trained while MLflow was away")
    if known >= now.moves and CHAMPION in wanted and present.get(CHAMPION) != wanted[CHAMPION] and now.moves:
        words.append(
            f"MLflow's champion is version {present.get(CHAMPION, '–')}, not {wanted[CHAMPION]}: it was moved by "
            f"hand; tabpipe models sync {use_case} --force brings it back"
        )
        wanted = {CHALLENGER: wanted.get(CHALLENGER)} if CHALLENGER in wanted else {}
    # The champion comes first: whoever reads between two of these calls finds a model in any case.
    for alias, number in wanted.items():
        if number is None and alias in present:
            client.delete_registered_model_alias(use_case, alias)
        elif number is not None and present.get(alias) != number:
            client.set_registered_model_alias(use_case, alias, number)
    if CHAMPION in wanted and str(known) != str(now.moves):
        client.set_registered_model_tag(use_case, MOVES, str(now.moves))
    return words


def forget_moves(client: Any, use_case: str) -> None:
    """Lets the next `mirror` set the champion also where it was moved by hand."""
    _make_sure_of(client, use_case)
    client.set_registered_model_tag(use_case, MOVES, "0")


def _make_sure_of(client: Any, use_case: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(use_case)
        return
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    try:
        client.create_registered_model(use_case)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
