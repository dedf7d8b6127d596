"""Runs of this machine: made, found, compared, and made again."""
