"""Readings to volumes: rules say what is wrong with them, and methods fill what is missing."""
