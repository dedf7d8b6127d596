"""The step preprocess."""
