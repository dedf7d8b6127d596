"""What everything stands on: refusals, files, names of artifacts; imports nothing else of the project."""
