"""Meters that came or went during the day: registers at the exchange are put in place, so that nothing is lost.

An exchange lies in some quarter, and both meters have to end it somewhere: its registers stand at the nearest quarter end, of
two equally near the earlier. The old meter's last quarter ends at its closing register there, the new meter's first starts at
its opening register there; outside, each is absent. The two volumes add up to everything that was used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from kwartier.clock import QUARTER_S
from kwartier.model import Bytes8, Missing, Registers, Stack, Times
from kwartier.validate.day import Mask, Places

HALF_S = QUARTER_S // 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A meter's coming to its connection or going from it; of an exchange each of the two meters has one.

    Both must be told of the same moment, and both days at whose midnight it is nearest must be told of it.
    """

    at: int
    """UTC seconds."""
    came: bool
    """Whether the meter came; else it went."""
    registers_wh: Mapping[str, int] = field(repr=False)
    """Its registers at that moment: opening if it came, closing if it went. A channel that is not here was not written down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A stack in which exchanges have their place; the rest are columns of :class:`kwartier.validate.day.Around`."""

    stack: Stack
    first: Places
    last: Places
    exchanged: Mask


def in_place(stack: Stack, times: Times, exchanges: Mapping[int, tuple[Exchange, ...]]) -> Placed:
    """The stack with every exchange in its place; ``exchanges`` by row, of the day and half a quarter around it.

    A row whose exchanges are not one stay (it went before it came, or came twice) keeps its registers, and counts as
    ``exchanged``: they may start anew. So does one of which only the metering module was exchanged.
    """
    count, closing = len(stack), len(times) - 1
    first, last = np.zeros(count, np.int64), np.full(count, closing, np.int64)
    exchanged = np.zeros(count, np.bool_)
    if not exchanges:
        return Placed(stack=stack, first=first, last=last, exchanged=exchanged)
    registers = {name: column.copy() for name, column in stack.registers.items()}
    missing = {name: column.copy() for name, column in stack.missing.items()}
    for row, several in exchanges.items():
        came, went = ([one for one in several if one.came is is_coming] for is_coming in (True, False))
        if len(came) > 1 or len(went) > 1 or (came and went and came[0].at >= went[0].at):
            exchanged[row] = True
            continue
        for one in several:
            place = _place(one.at, times)
            side = first if one.came else last
            side[row] = min(max(place, 0), closing)
            exchanged[row] |= 0 < place < closing
            if 0 <= place <= closing:
                for name, column in registers.items():
                    _put(column[row], missing[name][row], place, one, name, times)
        outside = np.r_[0 : first[row], last[row] + 1 : closing + 1]
        for name, column in registers.items():
            column[row, outside], missing[name][row, outside] = 0, Missing.NOT_IN_BUFFER
    return Placed(
        stack=replace(stack, registers=registers, missing=missing), first=first, last=last, exchanged=exchanged
    )


def _place(at: int, times: Times) -> int:
    """The nearest place; below 0 or above the closing one where that lies in another day."""
    return (at - int(times[0]) + HALF_S - 1) // QUARTER_S


def _put(registers: Registers, missing: Bytes8, place: int, one: Exchange, channel: str, times: Times) -> None:
    """The register at the exchange; where it was not written down, none unless the meter's own is of that very moment."""
    if channel in one.registers_wh:
        registers[place], missing[place] = one.registers_wh[channel], Missing.PRESENT
    elif one.at != times[place]:
        registers[place], missing[place] = 0, Missing.NOT_IN_BUFFER
