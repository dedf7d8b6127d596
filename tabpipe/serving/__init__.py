"""The champion, served: on this machine, in Docker, on a cluster."""
