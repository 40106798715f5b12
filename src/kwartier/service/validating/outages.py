"""What events prove of power that was not there."""

import numpy as np

from kwartier.model import Missing, Stack

POWER_DOWN = 0x80
"""Bit 7 of the AMR profile status: the power was down in the quarter that the row ends."""


def outages(stack: Stack) -> dict[int, tuple[tuple[int, int], ...]]:
    """By row the quarters (first and last, from 0) over the whole of which the meter says that it had no power.

    A meter writes no row while it is without power, and marks the first one after. So the quarters between two rows that its
    buffer does not have, up to a row that is marked, were without power; the quarters in which the power went and came are not
    among them.
    """
    if not stack.missing or not (stack.status & POWER_DOWN).any():
        return {}
    gone = np.logical_and.reduce([missing == Missing.NOT_IN_BUFFER for missing in stack.missing.values()])
    marked = (stack.status & POWER_DOWN) != 0
    found: dict[int, tuple[tuple[int, int], ...]] = {}
    for row in np.flatnonzero(gone.any(axis=1) & marked.any(axis=1)).tolist():
        spans = []
        for place in np.flatnonzero(marked[row] & ~gone[row]).tolist():
            first = place
            while first and gone[row, first - 1]:
                first -= 1
            if place - first > 1:
                spans.append((first, place - 2))
        if spans:
            found[row] = tuple(spans)
    return found
