"""Meters that came or went during the day: the registers at the exchange are put in place, so that nothing is lost between them.

An exchange lies in some quarter, and both meters have to end it somewhere: its registers stand at the nearest quarter end, of
two equally near the earlier. The old meter's last quarter ends at its closing register there, the new meter's first starts at
its opening register there; outside, each is absent. The two volumes add up to everything that was used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from kwartier.clock import QUARTER_S
from kwartier.model import Missing, Stack, Times
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
    """The stack with every exchange in its place; ``exchanges`` by row.

    A meter that came after it went on the same day was there at both ends of it, and something happened between: nothing is put
    in place, and its registers count as possibly starting anew. So is it when its metering module was exchanged.
    """
    count, closing = len(stack), len(times) - 1
    first, last = np.zeros(count, np.int64), np.full(count, closing, np.int64)
    exchanged = np.zeros(count, np.bool_)
    if not exchanges:
        return Placed(stack=stack, first=first, last=last, exchanged=exchanged)
    registers = {name: column.copy() for name, column in stack.registers.items()}
    missing = {name: column.copy() for name, column in stack.missing.items()}
    for row, several in exchanges.items():
        placed = sorted((_place(one.at, times), one.at, one) for one in several if one.came) 
    return Placed(stack=replace(stack, registers=registers, missing=missing), first=first, last=last, exchanged=exchanged)
