"""The real household year that lies beside the checkout: a year of quarters, as registers and as a meter that counts them.

Each row has the local time at which its quarter began. Where the clock goes back the file has each of those times twice, one
after the other, and does not say which is which: the first of two is taken for the earlier. Rows are placed by their time,
never by their position.

A value may be finer than a Wh. The sum of all that came before is exact, and a register shows the whole Wh of it, as a meter
does: no quarter is rounded by itself, and nothing drifts.
"""

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np

from kwartier.clock import local_day, quarter_ends, zone
from kwartier.model import Registers, Stack, Times
from kwartier.simulate.household import EPOCH_S, QUARTER_S
from kwartier.simulate.metering.module import MeteringModule
from kwartier.simulate.recording import QUARTERS, Repeating
from tests.conftest import SHARED

PATH = SHARED / "data" / "households" / "household_15min_2024.csv"
TIMEZONE = "America/Los_Angeles"
FIRST, END = date(2024, 1, 1), date(2025, 1, 1)
"""The first day, and the first that is not in it."""
FORWARD, BACK = date(2024, 3, 10), date(2024, 11, 3)
"""The days of 92 and 100 quarters."""
TOTAL_WH = 8_463_093
NOT_WHOLE = 110
"""Values that are not whole Wh."""
_STAMP = "%m/%d/%y %H:%M"


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseholdYear:
    """``times`` has the opening and every quarter end (UTC s); ``register_wh`` what the register shows then, from 0."""

    times: Times
    register_wh: Registers = field(repr=False)

    def energy_wh(self) -> Registers:
        """What each quarter has: the difference of the registers at its ends."""
        return np.diff(self.register_wh)

    def days(self) -> Iterator[date]:
        """The local days, in order."""
        first = local_day(int(self.times[0]), TIMEZONE)
        end = local_day(int(self.times[-1]), TIMEZONE)
        yield from (first + timedelta(days=number) for number in range((end - first).days))


def rows(path: Path = PATH) -> Iterator[tuple[int, Fraction]]:
    """When each quarter began (UTC s), in the order of the file, and its energy in Wh, exactly."""
    seen: Counter[datetime] = Counter()
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            local = datetime.strptime(row["DateTime"], _STAMP)
            began = local.replace(tzinfo=zone(TIMEZONE), fold=seen[local])
            seen[local] += 1
            yield int(began.astimezone(UTC).timestamp()), Fraction(row["kWh"]) * 1000


def household_year(path: Path = PATH) -> HouseholdYear:
    """The year as registers. Fails if a quarter is missing, comes twice, or is below 0."""
    energies = dict(rows(path))
    times = quarter_ends(FIRST, END, TIMEZONE)
    assert sorted(energies) == times[:-1].tolist()
    running, register_wh = Fraction(0), [0]
    for began in times[:-1].tolist():
        assert energies[began] >= 0
        running += energies[began]
        register_wh.append(int(running))
    return HouseholdYear(times=times, register_wh=np.array(register_wh, np.int64))


def repeating(year: HouseholdYear, opening_wh: int = 0) -> Repeating:
    """The year as a household of the simulator: from quarter to quarter its import register moves as that of ``year``.

    Outside 2024 it goes round. ``opening_wh`` is what the register shows at the simulator's own beginning of time.
    """
    start = (int(year.times[0]) - EPOCH_S) // QUARTER_S % QUARTERS
    return Repeating(
        import_wh=np.roll(year.energy_wh(), start), export_wh=np.zeros(QUARTERS, np.int64), opening_import_wh=opening_wh
    )


def module(year: HouseholdYear, opening_wh: int = 0) -> MeteringModule:
    """A metering module that counts it."""
    return MeteringModule(repeating(year, opening_wh), timezone=TIMEZONE)


def stack_of(metering: MeteringModule, day: date, reading: int = 1) -> Stack:
    """What a reading of a local day gives when nothing goes wrong: one row, all registers there."""
    times = quarter_ends(day, day + timedelta(days=1), TIMEZONE)
    registers = metering.registers(times)
    return Stack(
        day=day,
        ids=np.array([reading], np.int64),
        registers={name: column[np.newaxis] for name, column in registers.items()},
        missing={name: np.zeros((1, len(times)), np.uint8) for name in registers},
        status=metering.status(times)[np.newaxis],
        clock_status=np.zeros((1, len(times)), np.uint8),
        versions=np.zeros(1, np.int64),
        known_at=times[-1:].copy(),
    )


def stacks(year: HouseholdYear, opening_wh: int = 0, reading: int = 1) -> Iterator[Stack]:
    """The year as one stack a local day."""
    metering = module(year, opening_wh)
    yield from (stack_of(metering, day, reading) for day in year.days())


def differences_of(stack: Stack, channel: str = "import_wh") -> Registers:
    """The energy of each quarter of a stack's only row."""
    energy_wh: Registers = np.diff(stack.registers[channel][0])
    return energy_wh
