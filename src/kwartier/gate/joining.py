"""Local days of one meter side by side, as one run of readings.

The closing of a day and the opening of the next are one moment, and both days have it. What the day before says counts; where
the two differ that is a finding, and where only the day before has it - the meter's buffer did not reach back any more - its
source is marked by one.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from kwartier.clock import midnight, quarter_ends
from kwartier.model import Beside, Finding, Missing, Readings, Stack

OWN_CLOSING = "own-closing"
OPENING_DIFFERS = "opening-differs"
NO_CLOCK_STATUS = 0xFF
QUARTER_S = 900
ONE_DAY = timedelta(days=1)
Row = tuple[Stack, int]
"""A stack, and which of its rows."""


def row_of(stacks: Sequence[Stack], ids: Mapping[int, int]) -> dict[date, Row]:
    """Where the days of one meter are; ``ids`` are its ids by year."""
    found: dict[date, Row] = {}
    for stack in stacks:
        identity = ids.get(stack.day.year)
        if identity is not None:
            place = int(np.searchsorted(stack.ids, identity))
            if place < len(stack) and stack.ids[place] == identity:
                found[stack.day] = (stack, place)
    return found


def joined(meter: str, rows: Mapping[date, Row], start: date, end: date, timezone: str) -> Readings:
    """The readings from ``start`` up to ``end``; ``rows`` may also have the day before, for its closing."""
    times = quarter_ends(start, end, timezone)
    count = len(times)
    names = sorted({name for stack, _ in rows.values() for name in stack.registers}, reverse=True)
    registers = {name: np.zeros(count, np.int64) for name in names}
    missing = {name: np.full(count, Missing.NOT_STORED, np.uint8) for name in names}
    status, clock_status = np.zeros(count, np.uint8), np.full(count, NO_CLOCK_STATUS, np.uint8)
    findings: list[Finding] = []
    beside: list[Beside] = []
    for day, (stack, row) in sorted(rows.items()):
        length = stack.status.shape[1]
        opening = (midnight(day, timezone) - int(times[0])) // QUARTER_S
        skipped = max(0, -opening)
        for name in stack.registers:
            reasons, values = stack.missing[name][row], stack.registers[name][row]
            if opening >= 0 and missing[name][opening] == Missing.PRESENT:
                findings += _remarks(name, int(times[opening]), int(registers[name][opening]), values, reasons)
                first = 1
            else:
                first = skipped
            into = slice(opening + first, opening + length)
            registers[name][into], missing[name][into] = values[first:], reasons[first:]
        if day >= start:
            beside += stack.beside.get(row, ())
        first = skipped or int(opening >= 0 and opening > 0 and clock_status[opening] != NO_CLOCK_STATUS)
        into = slice(opening + first, opening + length)
        status[into], clock_status[into] = stack.status[row, first:], stack.clock_status[row, first:]
    return Readings(
        meter=meter,
        start=start,
        end=end,
        times=times,
        registers=registers,
        missing=missing,
        status=status,
        clock_status=clock_status,
        findings=tuple(dict.fromkeys(findings)),
        beside=tuple(beside),
    )


def _remarks(
    name: str, at: int, known: int, values: npt.NDArray[np.int64], reasons: npt.NDArray[np.uint8]
) -> list[Finding]:
    """What to say of a midnight that the day before has already."""
    if reasons[0] != Missing.PRESENT:
        reason = f"the opening of {name} is our own closing of the day before; the meter did not hold it any more"
        return [Finding(code=OWN_CLOSING, start=at, end=at, reason=reason)]
    if int(values[0]) != known:
        reason = f"two visits saw different registers of {name} at one midnight; that of the day it closes is shown"
        return [Finding(code=OPENING_DIFFERS, start=at, end=at, reason=reason)]
    return []
