"""The step check_data."""
