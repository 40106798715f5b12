"""Readings on disk: columns in a Delta Lake table, appended and never changed."""
