"""Tables: read from whatever format they come in, and written."""
