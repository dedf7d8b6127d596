"""The step download."""
