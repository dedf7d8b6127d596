"""The step segregate."""
