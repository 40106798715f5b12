"""What the registry says of the meters of a local day, looked up once and cut out for each stack of readings."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache

import numpy as np

from kwartier.errors import InputError
from kwartier.gate.ids import Link
from kwartier.model import Meter, Registers, Times
from kwartier.service.home import Home
from kwartier.validate.capacity import capacity_wh
from kwartier.validate.day import NEVER_ASKED, Mask
from kwartier.validate.exchange import HALF_S, Exchange

LOOK_AHEAD = 14
"""Local days after a day in which the end of a gap is looked for."""
DAYS_AROUND = 14
"""Local days around a day within which an exchange of a metering module parts what the registers tell."""
MAX_CAPACITIES = 1_000
ONE_DAY = timedelta(days=1)
DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """By meter what holds on a day; of a meter that is not there nothing is known."""

    day: date
    eans: Mapping[str, str] = field(repr=False)
    capacity_wh: Mapping[str, int]
    transformer: Mapping[str, str]
    cohort: Mapping[str, str]
    place: Mapping[str, tuple[str, str]]
    """The grid area, and the radio cell."""
    drift_s: Mapping[str, int]
    exchanges: Mapping[str, tuple[Exchange, ...]] = field(repr=False)
    resets: Mapping[str, Sequence[date]]
    """Days, before and after, too, on which its registers started anew."""

    def capacities(self, links: Sequence[Link]) -> Registers:
        """What each connection can carry in a quarter, in Wh; 0: not known."""
        return np.array([self.capacity_wh.get(link.meter, 0) for link in links], np.int64)

    def drifts(self, links: Sequence[Link]) -> Registers:
        """How far each clock was ahead at the visit."""
        return np.array([self.drift_s.get(link.meter, NEVER_ASKED) for link in links], np.int64)

    def reset(self, links: Sequence[Link]) -> Mask:
        """Whose registers started anew on the day."""
        return np.array([self.day in self.resets.get(link.meter, ()) for link in links], np.bool_)

    def exchanges_of(self, links: Sequence[Link]) -> dict[int, tuple[Exchange, ...]]:
        """Comings and goings by row."""
        if not self.exchanges:
            return {}
        return {row: self.exchanges[link.meter] for row, link in enumerate(links) if link.meter in self.exchanges}


def facts_of(home: Home, day: date, times: Times, meters: Iterable[Meter]) -> Facts:
    """The facts of some meters of a day; ``times``: its quarter ends.

    Raises ``InputError`` mixed-days for meters of another time zone.
    """
    size = lru_cache(maxsize=MAX_CAPACITIES)(capacity_wh)
    zone, others = home.settings.timezone, 0
    eans, capacity, transformer, place = {}, {}, {}, {}
    places: dict[tuple[str, str], tuple[str, str]] = {}
    for meter in meters:
        others += meter.timezone != zone
        eans[meter.meter] = meter.ean
        capacity[meter.meter] = size(meter.capacity) if meter.capacity else 0
        transformer[meter.meter] = meter.transformer
        where = meter.grid_area, meter.cell
        place[meter.meter] = places.setdefault(where, where)
    if others:
        raise InputError("mixed-days", f"{others} meters are in another time zone than {zone}, which is `timezone`")
    closes = int(times[-1])
    return Facts(
        day=day,
        eans=eans,
        capacity_wh=capacity,
        transformer=transformer,
        cohort=home.registry.kinds(list(capacity), day),
        place=place,
        drift_s=home.visits.drifts_until(closes + DAY_S),
        exchanges=_exchanges(home, day, times),
        resets=home.registry.metering_exchanged(
            day - timedelta(days=DAYS_AROUND), day + timedelta(days=DAYS_AROUND + 1)
        ),
    )


def _exchanges(home: Home, day: date, times: Times) -> dict[str, tuple[Exchange, ...]]:
    """By meter the exchanges of the day, and those so near to it that their place is one of its midnights."""
    found: dict[str, list[Exchange]] = defaultdict(list)
    for near in (day - ONE_DAY, day, day + ONE_DAY):
        for one in home.registry.exchanges_on(near):
            if int(times[0]) - HALF_S <= one.moment <= int(times[-1]) + HALF_S:
                closing = {"import_wh": one.closing_import_wh, "export_wh": one.closing_export_wh}
                opening = {"import_wh": one.opening_import_wh, "export_wh": one.opening_export_wh}
                found[one.old_meter].append(Exchange(at=one.moment, came=False, registers_wh=closing))
                found[one.new_meter].append(Exchange(at=one.moment, came=True, registers_wh=opening))
    return {meter: tuple(several) for meter, several in found.items()}
