"""Metrics of predictions: scores, slices, bootstrap intervals."""
