"""Readings cut down to what a purpose shows: its channels, and days instead of quarters where it goes no finer."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kwartier.clock import midnight
from kwartier.gate.purposes import Resolution
from kwartier.model import Beside, Readings, Stack


def reduced(found: Readings, resolution: Resolution, channels: Sequence[str], timezone: str) -> Readings:
    """The readings of one meter: of days, only the registers at each local midnight are left."""
    found = replace(
        found,
        registers={name: column for name, column in found.registers.items() if name in channels},
        missing={name: column for name, column in found.missing.items() if name in channels},
    )
    if resolution is Resolution.QUARTER:
        return replace(found, beside=_beside(found.beside, channels))
    moments = []
    day = found.start
    while day <= found.end:
        moments.append(midnight(day, timezone))
        day = day.fromordinal(day.toordinal() + 1)
    places = np.searchsorted(found.times, np.array(moments, np.int64))
    return replace(
        found,
        times=found.times[places],
        registers={name: column[places] for name, column in found.registers.items()},
        missing={name: column[places] for name, column in found.missing.items()},
        status=found.status[places],
        clock_status=found.clock_status[places],
        beside=(),
    )


def reduced_stack(stack: Stack, resolution: Resolution, channels: Sequence[str]) -> Stack:
    """The same of many meters on one day: of a day, its opening and its closing are left."""
    edges = slice(None) if resolution is Resolution.QUARTER else slice(None, None, max(1, stack.status.shape[1] - 1))
    return replace(
        stack,
        registers={name: column[:, edges] for name, column in stack.registers.items() if name in channels},
        missing={name: column[:, edges] for name, column in stack.missing.items() if name in channels},
        status=stack.status[:, edges],
        clock_status=stack.clock_status[:, edges],
        beside={row: _beside(several, channels) for row, several in stack.beside.items()}
        if resolution is Resolution.QUARTER
        else {},
    )


def _beside(found: Sequence[Beside], channels: Sequence[str]) -> tuple[Beside, ...]:
    return tuple(
        replace(one, registers={name: value for name, value in one.registers.items() if name in channels})
        for one in found
    )
