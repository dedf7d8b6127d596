"""Kubeflow Pipelines, MinIO and MLflow put on a cluster."""
