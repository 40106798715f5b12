"""Splits of whole watt-hours: nothing is lost, and nothing is unfair by a watt-hour or more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kwartier.validate.estimate.shares import shares

WEIGHTS = st.lists(st.integers(0, 1 << 33), min_size=1, max_size=100)


@given(energy=st.integers(0, 1 << 31), weights=WEIGHTS)
def test_parts_add_up_and_are_within_one_of_their_exact_share(energy: int, weights: list[int]) -> None:
    parts = shares(energy, np.array(weights, np.int64)).tolist()
    assert sum(parts) == energy
    fair = weights if any(weights) else [1] * len(weights)
    whole = sum(fair)
    for part, weight in zip(parts, fair, strict=True):
        assert weight * energy // whole <= part <= weight * energy // whole + 1
    assert all(part == 0 for part, weight in zip(parts, fair, strict=True) if weight == 0)


@given(energy=st.integers(0, 10_000), weights=st.lists(st.integers(0, 100), min_size=1, max_size=50))
def test_both_ways_of_computing_agree(energy: int, weights: list[int]) -> None:
    """A common factor changes nothing, and is large enough for the way of Python's own numbers."""
    small, large = np.array(weights, np.int64), np.array(weights, np.int64) * (1 << 55)
    assert shares(energy, small).tolist() == shares(energy, large).tolist()


@pytest.mark.parametrize(
    ("energy", "weights", "parts"),
    [
        (5, [1, 1, 1], [2, 2, 1]),
        (1, [1, 2, 2], [0, 1, 0]),
        (7, [0, 0], [4, 3]),
        (0, [3, 1], [0, 0]),
        (10, [3, 0, 7], [3, 0, 7]),
    ],
)
def test_what_is_left_goes_to_the_largest_remainders_and_then_the_earliest(
    energy: int, weights: list[int], parts: list[int]
) -> None:
    assert shares(energy, np.array(weights, np.int64)).tolist() == parts
