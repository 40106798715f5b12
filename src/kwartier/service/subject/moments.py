"""Moments as a person is told them."""

from datetime import UTC, datetime


def utc(seconds: int) -> str:
    """UTC seconds as ISO 8601 has them."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
