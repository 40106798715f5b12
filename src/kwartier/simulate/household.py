"""What a household uses and feeds in, quarter by quarter, as registers that only grow.

A :class:`Household` is anything that knows its two registers at any quarter end; nothing here knows a protocol: it is the
truth that a reading is compared with. One that is drawn from a seed keeps nothing but a year of daily totals.

A day has a total in each direction, in whole Wh, that follows from the season, the weekday and chance; the totals repeat from
year to year, so that a register at any midnight is a sum that is at hand. Within a day the total is spread over 96 quarters by
a shape - base load, a morning, an evening, a car that charges, a heat pump, the sun - and rounded on the running sum: every
quarter is whole, none is below zero, and the day ends where the next begins. Everything is a pure function of the seed and
the quarter.

A household lives one hour ahead of UTC all year round: winter time.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from kwartier.simulate.chance import fractions

QUARTER_S = 900
EPOCH_S = 1_577_836_800
"""2020-01-01T00:00:00Z: the quarter at which every household's registers start."""
DAY_QUARTERS = 96
YEAR_DAYS = 366
CLOUD_BLOCKS = 24
SHARE_AWAY = 0.04
SHARE_SOLAR = 0.35
SHARE_CAR = 0.12
SHARE_HEAT_PUMP = 0.12
MOST_IMPORT_WH = 80_000
"""A day's import at most: with the shapes below no quarter of it comes near what a connection of 3x25 A carries."""
MOST_CHANCE = 3.5
"""How far chance may lift a quarter above its mean."""
OPENING_IMPORT_WH = 20_000_000
OPENING_EXPORT_WH = 5_000_000

Energy = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]

_HOUR = (np.arange(DAY_QUARTERS) / 4 + 1) % 24
_DAY = np.arange(YEAR_DAYS)
_SEASON = np.cos(2 * np.pi * (_DAY - 15) / YEAR_DAYS)
"""1 in the middle of January, -1 in that of July."""
_WEEKEND = ((_DAY % 7) >= 5).astype(np.float64)
_SKY = np.array([fractions(0x5EED, np.arange(YEAR_DAYS))])[0]
"""How clear each day of the year is: the weather is the same for all."""


def _bump(centre: float, width: float) -> Numbers:
    away = np.abs(_HOUR - centre)
    shape = np.exp(-((np.minimum(away, 24 - away) / width) ** 2))
    return np.asarray(shape / shape.sum())


def _block(start: float, hours: float) -> Numbers:
    shape = (((_HOUR - start) % 24) < hours).astype(np.float64)
    return np.asarray(shape / shape.sum())


_FLAT = np.full(DAY_QUARTERS, 1 / DAY_QUARTERS)
_MORNINGS = np.array([_bump(centre, 1.1) for centre in (6.5, 7.25, 8.0, 9.0)])
_EVENINGS = np.array([_bump(centre, 2.0) for centre in (17.75, 18.5, 19.25, 20.25)])
_MIDDAY = _bump(13, 3.0)
_CARS = np.array([_block(start, hours) for start, hours in ((18.5, 4), (22.0, 4), (23.0, 5), (0.5, 5))])
_PUMP = np.asarray((_FLAT + 0.4 * _bump(6.5, 2.5)) / 1.4)


def _suns() -> Numbers:
    """The course of the sun on each day of the year: when it is up, and how high."""
    half = 6 - 2.2 * _SEASON[:, None]
    course = np.maximum(0, np.cos((_HOUR[None, :] - 12.7) / half * np.pi / 2) * (np.abs(_HOUR - 12.7) < half))
    return np.asarray(course**1.2)


_SUN = _suns()
_SUN_OF_DAY = _SUN.sum(axis=1)
_SUN_SHAPE = _SUN / _SUN_OF_DAY[:, None]
_QUARTERS = np.arange(DAY_QUARTERS, dtype=np.int64)
_BLOCKS = np.arange(CLOUD_BLOCKS, dtype=np.int64)
_DAYS = np.arange(YEAR_DAYS, dtype=np.int64)
_CHANCES = np.arange(16, dtype=np.int64)
_LIVELIER = 1 + 0.2 * _SEASON
_COLDER = 1 + 0.1 * _SEASON
_WEEKEND_MORNING = 1 + 0.4 * _WEEKEND
_FROST = np.maximum(0, _SEASON + 0.35)
_SUNSHINE = _SUN_OF_DAY * (0.25 + 0.75 * _SKY)
_NOTHING = np.zeros(YEAR_DAYS + 1, np.int64)


class Household(Protocol):
    """One connection's truth."""

    def registers(self, times: npt.NDArray[np.int64]) -> tuple[Energy, Energy]:
        """Import and export at the quarter ends ``times`` (UTC seconds, multiples of 900), in Wh."""
        ...


class Drawn:
    """A household that follows from ``seed``. ``solar``, ``car``, ``heat_pump``: whether it has one; None: chance says."""

    __slots__ = ("_car", "_daily_export", "_daily_import", "_parts", "_pick", "_scales", "_seed", "_sun", "openings_wh")

    def __init__(
        self, seed: int, *, solar: bool | None = None, car: bool | None = None, heat_pump: bool | None = None
    ) -> None:
        self._seed = seed
        chance = fractions(seed ^ 0xC0FFEE, _CHANCES).tolist()
        self.openings_wh = int(chance[0] * OPENING_IMPORT_WH), int(chance[1] * OPENING_EXPORT_WH)
        has_solar = chance[2] < SHARE_SOLAR if solar is None else solar
        has_car = chance[3] < SHARE_CAR if car is None else car
        has_pump = chance[4] < SHARE_HEAT_PUMP if heat_pump is None else heat_pump
        size = 0.5 + 1.1 * chance[5]
        base, morning, evening = 3200 * size, (600 + 1100 * chance[6]) * size, (1900 + 2600 * chance[7]) * size
        # Parts of a day in Wh, not rounded: they are weights, and become whole numbers as running sums only.
        self._scales = base, morning, evening, 900 * chance[8] * size
        self._pick = int(chance[9] * 4), int(chance[10] * 4), int(chance[11] * 4)
        day = fractions(seed ^ 0xDA11, _DAYS)
        away = day < SHARE_AWAY
        living = np.where(away, 0.1, (0.5 + 1.3 * day * np.sqrt(day)) * _LIVELIER)
        load = base * _COLDER + living * ((evening + self._scales[3]) + morning * _WEEKEND_MORNING)
        car_energy = pump_energy = sun_energy = None
        if has_car:
            drives = (fractions(seed ^ 0xCA12, _DAYS) < 0.35) & ~away
            car_energy = np.where(drives, 7000 + 13000 * chance[12], 0.0)
            load += car_energy
        if has_pump:
            pump_energy = _FROST * (6000 + 9000 * chance[13])
            load += pump_energy
        load = np.minimum(load, MOST_IMPORT_WH)
        if has_solar:
            sun_energy = _SUNSHINE * (90 + 170 * chance[14])
            room = 0.35 * load + 1
            own_use = room * (1 - np.exp(-sun_energy / room))
            load -= own_use
            self._daily_export = _running(sun_energy - own_use)
        else:
            self._daily_export = _NOTHING
        self._daily_import = _running(load)
        self._parts = living, car_energy, pump_energy
        self._sun = sun_energy

    def __repr__(self) -> str:
        return "<Drawn>"

    def registers(self, times: npt.NDArray[np.int64]) -> tuple[Energy, Energy]:
        """Both registers at the quarter ends ``times`` (UTC seconds, multiples of 900), in Wh."""
        quarters = (times - EPOCH_S) // QUARTER_S
        days, within = np.divmod(quarters, DAY_QUARTERS)
        wanted, place = _distinct(days)
        years, position = np.divmod(wanted, YEAR_DAYS)
        imported, exported = self._spread(wanted, position)
        found = []
        for opening_wh, running_wh, course in zip(
            self.openings_wh, (self._daily_import, self._daily_export), (imported, exported), strict=True
        ):
            if course is None:
                found.append(np.full(len(times), opening_wh, np.int64))
                continue
            start_wh = running_wh[position]
            register_wh = np.rint(course * (running_wh[position + 1] - start_wh)[:, None]).astype(np.int64)
            register_wh += (start_wh + (years * running_wh[-1] + opening_wh))[:, None]
            found.append(register_wh[place, within])
        return found[0], found[1]

    def _spread(self, days: Energy, position: Energy) -> tuple[Numbers, Numbers | None]:
        """For each day, how far each total has come at the start of each of its quarters: from 0 up. None: it never does."""
        base, morning, evening, midday = self._scales
        living, car_energy, pump_energy = self._parts
        first, second, third = self._pick
        living = living[position]
        chance = fractions(self._seed, days[:, None] * DAY_QUARTERS + _QUARTERS)
        load = np.multiply.outer(living * (morning * _WEEKEND_MORNING[position]), _MORNINGS[first])
        load += np.multiply.outer(living, evening * _EVENINGS[second] + midday * _MIDDAY)
        load += base / DAY_QUARTERS
        load *= 0.15 + 0.85 * np.minimum(-np.log1p(-chance), MOST_CHANCE)
        if car_energy is not None:
            load += np.multiply.outer(car_energy[position], _CARS[third])
        if pump_energy is not None:
            load += np.multiply.outer(pump_energy[position], _PUMP)
        if self._sun is None:
            return _course(load), None
        clouds = fractions(self._seed ^ 0xC10D, days[:, None] * CLOUD_BLOCKS + _BLOCKS)
        sun = self._sun[position, None] * _SUN_SHAPE[position]
        sun *= np.repeat(0.4 + 1.2 * clouds, DAY_QUARTERS // CLOUD_BLOCKS, axis=1)
        net = load - sun
        return _course(np.maximum(net, 0) + 0.02 * load), _course(np.maximum(-net, 0) + 0.02 * sun)


def seeded(seed: int, *, solar: bool | None = None) -> Drawn:
    """A household drawn from ``seed``; ``solar``: whether it has panels (None: chance says)."""
    return Drawn(seed, solar=solar)


def _distinct(days: Energy) -> tuple[Energy, Energy]:
    """The days without repetition, and for each entry its place among them; usually they ascend."""
    if len(days) and (days[-1] - days[0] < len(days)) and bool((days[1:] >= days[:-1]).all()):
        wanted = np.arange(days[0], days[-1] + 1)
        return wanted, days - days[0]
    wanted, place = np.unique(days, return_inverse=True)
    return wanted, place


def _course(weights: Numbers) -> Numbers:
    running = np.cumsum(weights, axis=1)
    running /= running[:, -1:]
    course = np.empty_like(running)
    course[:, 0] = 0
    course[:, 1:] = running[:, :-1]
    return course


def _running(daily: Numbers) -> Energy:
    """The sum of whole Wh before each day of the year, and after the last."""
    running = np.zeros(YEAR_DAYS + 1, np.int64)
    running[1:] = np.rint(np.cumsum(np.maximum(daily, 0)))
    return running
