"""Runs on the cluster looked back on: each of them as a run of this machine is, with the same document.

Kubeflow knows the run, its parameters and its pipeline, which names images and config; its metadata store knows the
outputs; MLflow knows the metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import Any

from components.common.base.errors import Refusal
from tabpipe.cluster import run_report
from tabpipe.cluster.client import NAMESPACE, Cluster, answered
from tabpipe.cluster.metadata import made_by
from tabpipe.cluster.run_documents import brief, document, images_of, state_of, use_case_of_run
from tabpipe.cluster.watch import Outcome
from tabpipe.runs.find import Kept, choose, newest_of, no_runs_of, use_case_of

_AT_ONCE = 8
"""Runs that are asked for at the same time."""
_PAGE = 20
"""Runs in an answer; each of them is told of at length."""
_TRIES = 3
"""For an answer that is cut off, as the proxy of the Kubernetes API does with long ones when it is busy."""


class Runs:
    """The runs of a cluster.

    Args:
        cluster: Where.
    """

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self._version = lru_cache(None)(self._asked_version)

    def kept_runs(self, use_case: str | None = None) -> list[Kept]:
        """The runs of a use case, or of all, the newest first, with all that is known of them.

        Raises:
            Refusal: A use case that has no runs; or no answer.
        """
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(self._whole, self._of(use_case)))

    def find(self, name: str) -> Kept:
        """The run that a user means.

        Args:
            name: An id or its beginning; `latest`, the last good run; a tag or commit, the last good run of that code;
                each of them also after `USE_CASE:`.

        Raises:
            Refusal: None is meant, or several; or no answer.
        """
        runs = self._of(use_case_of(name))
        if not runs:
            where = f"context {self.cluster.context}"
            raise Refusal("no run is on this cluster", where=where, mend="make one: tabpipe submit iris")
        known = {run["run_id"]: run for run in runs}
        named = [Kept(None, brief(run)) for run in runs]
        return self._whole(known[choose(name, named, self._of_release, "tabpipe runs list --cluster").run_id])

    def one(self, run_id: str) -> Kept:
        """A run by its whole id."""
        return self._whole(self.told(run_id))

    def told(self, run_id: str) -> dict[str, Any]:
        """What Kubeflow says of a run, with its whole pipeline as `spec` (empty where that is deleted)."""
        with answered(self.cluster.context):
            run = _read(self.cluster.kfp.get_run(run_id))
        return {**run, "spec": self._spec(run)[0]}

    def _of(self, use_case: str | None) -> list[dict[str, Any]]:
        runs, token = [], ""
        with answered(self.cluster.context):
            while True:
                page = self._page(token)
                runs += [_read(run) for run in page.runs or []]
                token = page.next_page_token
                if not token:
                    break
        found = [run for run in runs if use_case in (None, use_case_of_run(run))]
        if use_case is not None and not found:
            raise no_runs_of(use_case, {use_case_of_run(run) for run in runs}, f"context {self.cluster.context}")
        return found

    def _page(self, token: str) -> Any:
        from urllib3.exceptions import ProtocolError

        for left in range(_TRIES - 1, -1, -1):
            with nullcontext() if left == 0 else suppress(ProtocolError):
                return self.cluster.kfp._run_api.run_service_list_runs(
                    namespace=NAMESPACE, page_size=_PAGE, page_token=token, sort_by="created_at desc"
                )
        raise AssertionError("the last try gives a page or an error")

    def _whole(self, run: dict[str, Any]) -> Kept:
        spec, version = self._spec(run)
        outcome = Outcome(state_of(run), {}, None, run.get("plugins_output") or {})
        metrics = run_report.metrics_of(self.cluster, outcome) if outcome.state == "succeeded" else {}
        return document(run, spec, version, made_by(self.cluster, run["run_id"]), metrics)

    def _spec(self, run: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """A run's pipeline as it was uploaded, and the name of its version; empty where it is gone."""
        reference = run.get("pipeline_version_reference") or {}
        if run.get("pipeline_spec"):
            return run["pipeline_spec"], ""
        if not reference.get("pipeline_version_id"):
            return {}, ""
        return self._version(reference["pipeline_id"], reference["pipeline_version_id"])

    def _asked_version(self, pipeline_id: str, version_id: str) -> tuple[dict[str, Any], str]:
        import kfp_server_api

        with answered(self.cluster.context):
            try:
                version = self.cluster.kfp.get_pipeline_version(pipeline_id, version_id)
            except kfp_server_api.ApiException as error:
                if error.status == 404:
                    return {}, ""
                raise
        return version.pipeline_spec, version.display_name

    def _of_release(self, wanted: str, runs: Sequence[Kept]) -> Kept | None:
        """The newest good run whose steps' images are those of the code that a tag or commit names."""
        from components.common.config.estimators import NAMED
        from tabpipe.compile.images import image_of
        from tabpipe.project import ROOT
        from tabpipe.runs.releases import checkout, commit_of

        commit = commit_of(wanted, ROOT)
        if not commit:
            return None
        folder = checkout(commit, ROOT)
        good = {run.run_id for run in runs if run.summary["state"] == "succeeded"}
        same = []
        for run in self._of(None):
            images = images_of(self._spec(run)[0]) if run["run_id"] in good else {}
            if images and all(
                image[image.find("tabpipe/") :] in {image_of(step, folder, model=model) for model in NAMED}
                for step, image in images.items()
            ):
                same.append(Kept(None, brief(run)))
        return newest_of(wanted, same, f"tabpipe submit --at {wanted} CONFIG")


def _read(run: Any) -> dict[str, Any]:
    """A run as plain values, but for what its plugins said."""
    return {**run.to_dict(), "plugins_output": run.plugins_output}
