"""A Kubernetes cluster with Kubeflow: what is installed on it, and runs that are sent to it."""
