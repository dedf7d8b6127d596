"""Champion against challenger, on what was logged and what turned out to be true."""
