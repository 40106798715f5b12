"""Settled tables as market messages and files."""
