"""Pages of HTML and their charts."""
