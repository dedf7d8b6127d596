"""Artifacts on the command line: what is stored, what differs, what came of what."""
