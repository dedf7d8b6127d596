"""What runs on the user's own machine: the command line, the engines, image names and the history of runs."""
