"""What carries a pipeline out. This folder holds the local engine, kfp.local with steps forked from a warm process."""
