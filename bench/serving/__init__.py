"""The server beside `mlflow models serve`, on the same model."""
