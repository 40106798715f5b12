"""What every test may rely on: nothing is skipped in silence, and nothing at all where everything is required."""

import os

import pytest

REQUIRE_ALL = "KWARTIER_REQUIRE_ALL"
"""Set to 1 (as in CI), a test whose needs are absent fails instead of being skipped."""


def skip_unless(condition: bool, reason: str) -> None:
    """Skip the running test with ``reason`` unless ``condition`` holds; fail it where everything is required."""
    if condition:
        return
    if os.environ.get(REQUIRE_ALL) == "1":
        pytest.fail(f"{REQUIRE_ALL}=1 and {reason}")
    pytest.skip(reason)
