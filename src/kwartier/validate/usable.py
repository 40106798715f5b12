"""Which quarters can be used as they are: what no rule rejected and two registers tell, as whole watt-hours that make sense.

The rules judge; this holds their masks against the arithmetic once more, so that nothing below zero and nothing unknown gets
into a volume, whatever a rule has missed.
"""

from collections.abc import Mapping

import numpy as np

from kwartier.model import Registers
from kwartier.validate.day import CHANNELS, Day, Mask

MAX_WH = 1 << 30
"""More than this is no energy of a connection, neither in a quarter nor over a gap. It fits into a volume's 32 bits."""
ROWS_AT_ONCE = 1024
"""Rows whose registers stay in the cache between two steps over them."""


def present(day: Day) -> Mask | None:
    """Where the meter was at the connection, rows by quarters; None: every meter, all day."""
    first, last, count = day.around.first, day.around.last, day.quarters
    if not first.any() and (last == count).all():
        return None
    quarters = np.arange(count)
    return np.asarray((quarters >= first[:, None]) & (quarters < last[:, None]), np.bool_)


def bad_quarters(day: Day, rejected: Mapping[str, Mask]) -> dict[str, Mask]:
    """For each channel that the stack has: the quarters, while the meter was there, that need a method."""
    there = present(day)
    found: dict[str, Mask] = {}
    for channel in CHANNELS:
        registers = day.stack.registers.get(channel)
        if registers is None:
            continue
        missing, said = day.stack.missing[channel], rejected.get(channel)
        bad = np.zeros((len(day), day.quarters), np.bool_) if said is None else said.copy()
        for start in range(0, len(day), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            unknown = missing[rows] != 0
            bad[rows] |= unknown[:, 1:] | unknown[:, :-1] | out_of_bounds(differences(registers[rows]))
        if there is not None:
            bad &= there
        found[channel] = bad
    return found


def differences(registers: Registers) -> Registers:
    """What each register has moved since the one before."""
    return np.asarray(registers[:, 1:] - registers[:, :-1], np.int64)


def out_of_bounds(moved_wh: Registers) -> Mask:
    """Where a difference is below zero or above :data:`MAX_WH`."""
    return np.asarray(moved_wh.view(np.uint64) > MAX_WH, np.bool_)
