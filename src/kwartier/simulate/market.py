"""What the market would say of a simulated fleet: who answers for each connection, and what flowed into each grid area.

Infeed comes from the truth and from nothing that a meter says: what every household really used, whatever became of its
registers, and besides that what the grid lost and what nobody meters. So a settlement of the fleet can be held against it to
the watt-hour. Shapes of profiles are drawn from a sample of households, as dynamic ones are.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kwartier.clock import midnight, quarter_ends
from kwartier.errors import InputError
from kwartier.model import Times
from kwartier.simulate.chance import fraction
from kwartier.simulate.fleet import write_lines
from kwartier.simulate.household import DAY_QUARTERS, EPOCH_S, QUARTER_S, YEAR_DAYS, Energy
from kwartier.simulate.truth import Truth
from kwartier.simulate.world import World

DIRECTIONS = ("import", "export")
COLLECTIVE, PROFILED = "cSMA", "PRF"
SHARE_PROFILED = 0.03
PROFILES = ("E1A", "E1B")
SHARE_SECOND_PROFILE = 0.3
QUALITY = "DYN"
SAMPLE = 25
"""Households that the shape of a profile is drawn from."""
WHOLE = 10**12
"""A year's volume, as fractions of it are counted."""
LOSS_PERCENT = 4
LOSS_PER_CONNECTION_WH = 2
"""What a quarter loses besides that: transformers take some whether anybody uses anything or not."""
CONNECTIONS_PER_LAMP = 4
LAMP_WH = 15
"""A street lamp of 60 W in a quarter."""
SHOWN_EVERY = 100
MARKET_COLUMNS = "ean,valid_from,valid_to,brp,supplier,grid_area,method,profile,year_volume_wh,year_export_wh"
ENERGY_COLUMNS = "grid_area,quarter,direction,energy_wh"
FRACTION_COLUMNS = "grid_area,profile,direction,quarter,fraction,quality"
MARKET, INFEED, LOSSES, FRACTIONS, UNMETERED = FILES = (
    "market.csv",
    "infeed.csv",
    "losses.csv",
    "fractions.csv",
    "unmetered.csv",
)

Show = Callable[[int, int], None]
"""Told how many connections of how many are done."""
Flow = Mapping[tuple[str, str], Energy]
"""Wh a quarter, by area and direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """One connection as the market has it. Its responsible party, supplier and area are those of ``fleet.csv``."""

    number: int
    ean: str
    grid_area: str
    brp: str
    supplier: str
    method: str
    profile: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What really flowed, quarter by quarter: ``infeed`` is the sum of the other three. The repr shows no value."""

    times: Times
    """The ends of the quarters."""
    used: Flow = field(repr=False)
    """What all connections took, or fed in."""
    losses: Flow = field(repr=False)
    unmetered: Flow = field(repr=False)

    @property
    def infeed(self) -> Flow:
        """What flowed into each area."""
        return {one: self.used[one] + self.losses[one] + self.unmetered[one] for one in self.used}


def supply(world: World, number: int) -> Supply:
    """The connection of the meter with that number."""
    who = world.who(number)
    return Supply(
        number=number,
        ean=who.ean,
        grid_area=who.grid_area,
        brp=who.brp,
        supplier=who.energy_supplier,
        method=PROFILED if fraction(world.seed, "method", number) < SHARE_PROFILED else COLLECTIVE,
        profile=_profile(world, number),
    )


def supplies(truth: Truth) -> Iterator[Supply]:
    """Every connection of the fleet."""
    return (supply(truth.world, number) for number in range(truth.world.count))


def truth_volumes(truth: Truth, day: date) -> dict[str, dict[str, Energy]]:
    """By EAN and direction what each connection really used in the quarters of a local day, in Wh."""
    world, times = truth.world, quarter_ends(day, _next(day), truth.timezone)
    found = {}
    for number in range(world.count):
        registers = world.household(number).registers(times)
        found[world.who(number).ean] = dict(zip(DIRECTIONS, map(np.diff, registers), strict=True))
    return found


def balance(truth: Truth, start: date, end: date) -> Balance:
    """What really flowed on the local days from ``start`` up to ``end``."""
    walk = _Walk(truth, start, end, _silent)
    for _ in walk.lines():
        pass
    return walk.balance()


def year_fractions(truth: Truth, area: str, profile: str, year: int) -> dict[str, Energy]:
    """By direction the part of a calendar year's volume in each of its quarters, in units of 1e-12: all of it in sum."""
    times = quarter_ends(date(year, 1, 1), date(year + 1, 1, 1), truth.timezone)
    weights = {one: np.zeros(len(times) - 1, np.int64) for one in DIRECTIONS}
    for number in _sample(truth.world, area, profile):
        for one, register_wh in zip(DIRECTIONS, truth.world.household(number).registers(times), strict=True):
            weights[one] += np.diff(register_wh)
    return {one: _spread(weights[one]) for one in DIRECTIONS}


def write_market(truth: Truth, start: date, end: date, out: Path, *, show: Show | None = None) -> None:
    """Write :data:`FILES` for the local days from ``start`` up to ``end`` into ``out``.

    Raises ``InputError`` bad-day, unwritable-file.
    """
    walk = _Walk(truth, start, end, show or _silent)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_lines(out / MARKET, walk.lines())
        found = walk.balance()
        for name, flow in ((INFEED, found.infeed), (LOSSES, found.losses), (UNMETERED, found.unmetered)):
            write_lines(out / name, _energy_lines(found.times, flow))
        write_lines(out / FRACTIONS, _fraction_lines(truth, found, walk.years))
    except OSError as error:
        raise InputError("unwritable-file", f"{out}: {error.strerror}") from None


class _Walk:
    """One walk over all connections: each is asked once, for its years and for the days that are wanted."""

    def __init__(self, truth: Truth, start: date, end: date, show: Show) -> None:
        self._world, self._show = truth.world, show
        self._times = quarter_ends(start, end, truth.timezone)
        self.years = range(start.year, date.fromordinal(end.toordinal() - 1).year + 1)
        borders = [midnight(date(year, 1, 1), truth.timezone) for year in (*self.years, self.years[-1] + 1)]
        self._borders = np.array(borders, np.int64)
        self._used: dict[tuple[str, str], Energy] = {}
        self._connections: dict[str, int] = {}

    def lines(self) -> Iterator[str]:
        """``market.csv``, while the walk is on. Each year that the days lie in has its volumes; the last stays open."""
        yield MARKET_COLUMNS
        asked = np.concatenate((self._borders, self._times))
        count, borders = self._world.count, len(self._borders)
        for number in range(count):
            one = supply(self._world, number)
            registers = self._world.household(number).registers(asked)
            self._connections[one.grid_area] = self._connections.get(one.grid_area, 0) + 1
            for direction, register_wh in zip(DIRECTIONS, registers, strict=True):
                used_wh = np.diff(register_wh[borders:])
                before_wh = self._used.get((one.grid_area, direction))
                self._used[one.grid_area, direction] = used_wh if before_wh is None else before_wh + used_wh
            volumes = zip(*(np.diff(register_wh[:borders]).tolist() for register_wh in registers), strict=True)
            for year, (import_wh, export_wh) in zip(self.years, volumes, strict=True):
                until = "" if year == self.years[-1] else f"{year + 1}-01-01"
                yield (
                    f"{one.ean},{year}-01-01,{until},{one.brp},{one.supplier},{one.grid_area},{one.method},"
                    f"{one.profile},{import_wh},{export_wh}"
                )
            if number % SHOWN_EVERY == SHOWN_EVERY - 1 or number == count - 1:
                self._show(number + 1, count)

    def balance(self) -> Balance:
        """What flowed, after the walk. What is fed in is neither lost nor unmetered."""
        times = self._times[1:]
        nothing = np.zeros(len(times), np.int64)
        dark = is_dark(times)
        losses, unmetered = dict.fromkeys(self._used, nothing), dict.fromkeys(self._used, nothing)
        for area, connections in self._connections.items():
            used_wh = self._used[area, "import"]
            losses[area, "import"] = used_wh * LOSS_PERCENT // 100 + LOSS_PER_CONNECTION_WH * connections
            lamps = 1 + connections // CONNECTIONS_PER_LAMP
            unmetered[area, "import"] = dark * (lamps * LAMP_WH)
        return Balance(times=times, used=dict(sorted(self._used.items())), losses=losses, unmetered=unmetered)


def is_dark(times: Times) -> npt.NDArray[np.int64]:
    """1 for each quarter (by its end) through which street lamps burn, 0 for those with daylight."""
    quarters = (times - EPOCH_S) // QUARTER_S - 1
    hour = (quarters % DAY_QUARTERS / 4 + 1) % 24
    season = np.cos(2 * np.pi * (quarters // DAY_QUARTERS % YEAR_DAYS - 15) / YEAR_DAYS)
    return (np.abs(hour - 12.7) >= 6 - 2.2 * season).astype(np.int64)


def _profile(world: World, number: int) -> str:
    return PROFILES[fraction(world.seed, "profile", number) < SHARE_SECOND_PROFILE]


def _sample(world: World, area: str, profile: str) -> Sequence[int]:
    """The first households of the area and the profile; where there are none, of the fleet."""
    fitting = (
        number
        for number in range(world.count)
        if _profile(world, number) == profile and world.who(number).grid_area == area
    )
    return list(islice(fitting, SAMPLE)) or range(min(SAMPLE, world.count))


def _spread(weights: Energy) -> Energy:
    """All of a year over its quarters by weights: rounded down, and what is left goes to the largest remainders."""
    if not weights.any():
        weights = np.ones_like(weights)
    # Weights are Wh of some dozen homes in a quarter, six digits at most: the products stay below 2**63.
    counted, remainders = np.divmod(weights * WHOLE, weights.sum())
    left = WHOLE - int(counted.sum())
    counted[np.argsort(-remainders, kind="stable")[:left]] += 1
    return np.asarray(counted)


def _energy_lines(times: Times, flow: Flow) -> Iterator[str]:
    yield ENERGY_COLUMNS
    stamps = _stamps(times)
    for (area, direction), energy_wh in sorted(flow.items(), key=lambda one: one[0]):
        for stamp, value_wh in zip(stamps, energy_wh.tolist(), strict=True):
            yield f"{area},{stamp},{direction},{value_wh}"


def _fraction_lines(truth: Truth, found: Balance, years: Sequence[int]) -> Iterator[str]:
    yield FRACTION_COLUMNS
    times, stamps = found.times, _stamps(found.times)
    areas = sorted({area for area, _ in found.used})
    for year in years:
        ends = quarter_ends(date(year, 1, 1), date(year + 1, 1, 1), truth.timezone)
        within = np.flatnonzero((times > ends[0]) & (times <= ends[-1])).tolist()
        begin = int(np.searchsorted(ends[1:], times[within[0]]))
        for area in areas:
            for profile in PROFILES:
                for direction, counted in year_fractions(truth, area, profile, year).items():
                    for place, value in zip(within, counted[begin : begin + len(within)].tolist(), strict=True):
                        whole, part = divmod(value, WHOLE)
                        yield f"{area},{profile},{direction},{stamps[place]},{whole}.{part:012d},{QUALITY}"


def _stamps(times: Times) -> list[str]:
    return [datetime.fromtimestamp(one, UTC).strftime("%Y-%m-%dT%H:%MZ") for one in times.tolist()]


def _next(day: date) -> date:
    return date.fromordinal(day.toordinal() + 1)


def _silent(done: int, count: int) -> None:
    """Nobody wants to know."""
