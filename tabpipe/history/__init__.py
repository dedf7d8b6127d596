"""Runs of this machine looked back on: found, compared, made again, and releases run beside the working tree."""
