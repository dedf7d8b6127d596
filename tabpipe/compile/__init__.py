"""Compiled pipelines, and the images that their steps run in."""
