"""The step promote."""
