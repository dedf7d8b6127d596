"""Bytes by address: paths, HTTP, S3; read in pieces, and kept in folders and buckets."""
