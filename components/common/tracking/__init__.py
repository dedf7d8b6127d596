"""What a step notes of itself, written to MLflow and among the artifacts."""
