"""The step tsne."""
