"""The commands `models …`: which model is the champion, and moving it."""
