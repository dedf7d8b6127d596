"""A server that answers rows with a saved model: MLflow's scoring protocol and the Open Inference Protocol v2."""
