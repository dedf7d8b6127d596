"""The steps of tabpipe's pipelines: one folder, one step, one image."""
