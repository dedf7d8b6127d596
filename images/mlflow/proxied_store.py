"""An S3 store that the server alone talks to.

MLflow's own S3 class makes the server tell its clients that they may fetch files from the store themselves. They then
ask for http://minio:9000, which exists inside the cluster only: a download from anywhere else ends after minutes of
tries. This class is registered for s3:// in its place (MLflow's entry point `mlflow.artifact_repository`).
"""

from __future__ import annotations

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.s3_artifact_repo import S3ArtifactRepository


class ProxiedStore(ArtifactRepository):
    """Does what MLflow's S3 class does, without the parts that hand out addresses.

    Args:
        artifact_uri: `s3://BUCKET/PATH`.
        tracking_uri: As of ArtifactRepository.
        registry_uri: As of ArtifactRepository.
    """

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        self._store = S3ArtifactRepository(artifact_uri, tracking_uri=tracking_uri, registry_uri=registry_uri)

    def log_artifact(self, local_file: str, artifact_path: str | None = None) -> None:
        """Stores a file."""
        self._store.log_artifact(local_file, artifact_path)

    def log_artifacts(self, local_dir: str, artifact_path: str | None = None) -> None:
        """Stores the files of a folder."""
        self._store.log_artifacts(local_dir, artifact_path)

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Lists what is directly below a path."""
        return self._store.list_artifacts(path)

    def _download_file(self, remote_file_path: str, local_path: str) -> None:
        self._store._download_file(remote_file_path, local_path)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Deletes a file, or all below a path."""
        self._store.delete_artifacts(artifact_path)
