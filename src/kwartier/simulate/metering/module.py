"""Registers, the quarters that were captured with their status, and the power of the moment.

A module counts a household. What may go wrong with its counting - a register that starts anew, one that rolls over, quarters
that were never captured, a clock that was set - is a :class:`Disturbance`, and repeats every day at the same quarter, so that
any day shows it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from kwartier import clock
from kwartier.simulate.household import DAY_QUARTERS, QUARTER_S, Household

SUMMER = 0x08
"""AMR status bit 3: daylight saving time."""
ADJUSTED = 0x20
"""AMR status bit 5: the clock was set in this quarter."""
WATTS_PER_QUARTER_WH = 4
DAY_S = DAY_QUARTERS * QUARTER_S
OTHER_MODULE_WH = 4_000_000_000
"""How far apart the registers of two modules that take turns are: more than a difference of 32 bits."""
CHANNELS = ("import_wh", "export_wh")

Times = npt.NDArray[np.int64]
Registers = dict[str, npt.NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What is wrong with how a module counts. ``*_quarter``: the quarter of the UTC day, from 0, that it happens in."""

    reset_quarter: int | None = None
    """The registers start anew from 0 at the end of this quarter."""
    exchanged_quarter: int | None = None
    """At the end of this quarter another module takes its place: two take turns, and each has a register of its own."""
    modulus_wh: int | None = None
    """The registers have so few digits that they roll over at this number."""
    missing_quarter: int | None = None
    missing_count: int = 0
    """So many quarters from that one on are never captured."""
    adjusted_quarter: int | None = None
    """The clock was set in this quarter, and its status says so."""


UNDISTURBED = Disturbance()


class MeteringModule:
    """Counts one household. ``status`` gives further AMR status bits of a quarter end."""

    __slots__ = ("_disturbance", "_household", "_status", "_timezone")

    def __init__(
        self,
        household: Household,
        *,
        timezone: str = "Europe/Amsterdam",
        disturbance: Disturbance = UNDISTURBED,
        status: Callable[[int], int] | None = None,
    ) -> None:
        self._household = household
        self._timezone = timezone
        self._disturbance = disturbance
        self._status = status

    def registers(self, times: Times) -> Registers:
        """Every register at the quarter ends ``times`` (UTC seconds), in Wh."""
        found = self._household.registers(times)
        disturbance = self._disturbance
        if disturbance.reset_quarter is not None:
            since = self._household.registers(_last(times, disturbance.reset_quarter + 1))
            found = found[0] - since[0], found[1] - since[1]
        if disturbance.exchanged_quarter is not None:
            turn = (times - QUARTER_S * (disturbance.exchanged_quarter + 2)) // DAY_S % 2
            found = found[0] + turn * OTHER_MODULE_WH, found[1] + turn * OTHER_MODULE_WH
        if disturbance.modulus_wh is not None:
            found = found[0] % disturbance.modulus_wh, found[1] % disturbance.modulus_wh
        return dict(zip(CHANNELS, found, strict=True))

    def status(self, times: Times) -> npt.NDArray[np.uint8]:
        """The AMR status byte of each quarter end."""
        found = np.zeros(len(times), np.uint8)
        if len(times):
            for one in clock.stretches(self._timezone, int(times.min()), int(times.max())):
                year = datetime.fromtimestamp(one.start, UTC).year
                summer = one.offset_s > min(clock.offsets(self._timezone, year))
                found[times >= one.start] = SUMMER if summer else 0
        adjusted = self._disturbance.adjusted_quarter
        if adjusted is not None:
            found[times // QUARTER_S % DAY_QUARTERS == (adjusted + 1) % DAY_QUARTERS] |= ADJUSTED
        if self._status is not None:
            found |= np.array([self._status(utc) for utc in times.tolist()], np.uint8)
        return found

    def captured(self, times: Times) -> npt.NDArray[np.bool_]:
        """Whether each quarter was captured at its end."""
        disturbance = self._disturbance
        if disturbance.missing_quarter is None:
            return np.ones(len(times), np.bool_)
        ahead = (times // QUARTER_S - disturbance.missing_quarter - 1) % DAY_QUARTERS
        return np.asarray(ahead >= disturbance.missing_count)

    def power_w(self, utc: float) -> tuple[int, int]:
        """Import and export of the moment, in W: what the quarter that ``utc`` lies in has on average."""
        start = int(utc) // QUARTER_S * QUARTER_S
        both = self._household.registers(np.array([start, start + QUARTER_S], np.int64))
        imported_w, exported_w = (int(one[1] - one[0]) * WATTS_PER_QUARTER_WH for one in both)
        return imported_w, exported_w


def _last(times: Times, quarter: int) -> Times:
    """The last end of a day's quarter before or at each of ``times``."""
    day_s = DAY_QUARTERS * QUARTER_S
    at_s = quarter * QUARTER_S
    return np.asarray((times - at_s) // day_s * day_s + at_s)
