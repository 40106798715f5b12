"""The hours of a local day as people name them: 23, 24 or 25, and the one that the clock repeats has a name of its own."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt

from kwartier.clock import quarter_ends, stretches
from kwartier.model import Times

HOUR_S = 3600
DAY_HOURS = 24
DAY_QUARTERS = 96
AGAIN = "B"
"""What is added to the name of an hour that is repeated."""
SLOTS = 2 * DAY_HOURS
"""Slots that a quarter can lie in: 2h for the hour h, 2h + 1 for its repetition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A local day: ``times`` has the opening and the n quarter ends (UTC s), ``slots`` the slot of each quarter."""

    times: Times
    slots: npt.NDArray[np.int64]

    @property
    def quarters(self) -> int:
        """How many quarters the day has."""
        return len(self.slots)

    def starts(self) -> tuple[tuple[int, str], ...]:
        """Where each hour begins, counted in quarters, and its name; an hour that the clock skips is not there."""
        changes = np.flatnonzero(np.diff(self.slots, prepend=-1))
        return tuple((int(place), slot_name(int(self.slots[place]))) for place in changes)


def slot_name(slot: int) -> str:
    """What people call a slot: ``02``, and ``02B`` for the repetition of that hour."""
    return f"{slot // 2:02d}{AGAIN if slot % 2 else ''}"


def hours_of(day: date, timezone: str) -> Hours:
    """The hours of a local day."""
    times = quarter_ends(day, day + timedelta(days=1), timezone)
    starts = times[:-1]
    local = starts.copy()
    for stretch in stretches(timezone, int(times[0]), int(times[-1])):
        local[starts >= stretch.start] = starts[starts >= stretch.start] + stretch.offset_s
    # What the clock showed once already is shown again.
    before = np.maximum.accumulate(local)
    repeated = np.zeros(len(local), np.int64)
    repeated[1:] = local[1:] <= before[:-1]
    return Hours(times=times, slots=local // HOUR_S % DAY_HOURS * 2 + repeated)


def length(hours: Hours) -> str:
    """How long a day is, for the caption."""
    again = ", ".join(name for _, name in hours.starts() if name.endswith(AGAIN))
    if again:
        return f"{hours.quarters} quarters: the clock goes back, and {again} is the hour again"
    return f"{hours.quarters} quarters{': the clock goes forward' if hours.quarters < DAY_QUARTERS else ''}"
