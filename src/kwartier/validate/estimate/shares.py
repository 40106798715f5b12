"""Whole watt-hours split by weights, so that the parts add up: what is left over goes to the largest remainders."""

import numpy as np

from kwartier.validate.day import Energy

MAX_PRODUCT = 1 << 62
"""Up to here a product of energy and weight is computed in 64 bits; beyond, in Python's own whole numbers."""


def shares(energy_wh: int, weights: Energy) -> Energy:
    """``energy_wh`` (0 or more) split in proportion to ``weights`` (0 or more), ties to the earliest.

    Where no weight is above 0 all weigh the same. There must be a weight.
    """
    if not weights.any():
        weights = np.ones(len(weights), np.int64)
    if int(weights.max()) * max(energy_wh, len(weights)) >= MAX_PRODUCT:
        return _exact(energy_wh, [int(one) for one in weights])
    whole = int(weights.sum())
    parts, remainders = np.divmod(weights * energy_wh, whole)
    left = energy_wh - int(parts.sum())
    parts[np.argsort(-remainders, kind="stable")[:left]] += 1
    return np.asarray(parts, np.int64)


def _exact(energy_wh: int, weights: list[int]) -> Energy:
    whole = sum(weights)
    parts, remainders = zip(*(divmod(one * energy_wh, whole) for one in weights), strict=True)
    left = energy_wh - sum(parts)
    largest = set(sorted(range(len(weights)), key=lambda place: -remainders[place])[:left])
    return np.array([part + (place in largest) for place, part in enumerate(parts)], np.int64)
