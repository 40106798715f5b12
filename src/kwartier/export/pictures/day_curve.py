"""How a day went: the volume of each quarter and direction, split by how it came about, of one connection or of many."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType

import numpy as np

from kwartier.errors import InputError
from kwartier.export.pictures.coverage import Counts, Seen, codes_of, fitting_hours
from kwartier.export.pictures.hours import hours_of
from kwartier.export.pictures.palette import KINDS, WITH_ENERGY, Kind

DIRECTIONS: Mapping[str, str] = MappingProxyType({"import_wh": "import", "export_wh": "export"})
CHANNELS = tuple(DIRECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayCurve:
    """Columns of n quarters, by channel. The repr shows no value.

    ``energy_wh`` has the kinds that have a volume. ``missing`` says of how many meters the quarter is missing, ``due`` of how
    many there should be one: where the first is not 0 the curve is open, where the second is 0 there is nothing to know.
    """

    caption: str
    day: date
    timezone: str
    energy_wh: Mapping[str, Mapping[Kind, Counts]] = field(repr=False)
    missing: Mapping[str, Counts] = field(repr=False)
    due: Mapping[str, Counts] = field(repr=False)

    @property
    def quarters(self) -> int:
        """How many quarters the day has: 92, 96 or 100."""
        return len(self.due["import_wh"])

    def total_wh(self, channel: str) -> Counts:
        """What is known or estimated of each quarter."""
        summed_wh: Counts = np.sum(list(self.energy_wh[channel].values()), axis=0, dtype=np.int64)
        return summed_wh

    def has(self, channel: str) -> bool:
        """Whether any meter has that direction."""
        return bool(self.due[channel].any())

    def highest_wh(self, channel: str) -> int:
        """The largest quarter."""
        return int(self.total_wh(channel).max(initial=0))


def curve_of(seen: Iterable[Seen], day: date, timezone: str, caption: str = "") -> DayCurve:
    """Add up what comes of ``day``, in any order and any number of pieces. Raises ``InputError`` bad-day."""
    quarters = hours_of(day, timezone).quarters
    energy_wh = {name: {kind: np.zeros(quarters, np.int64) for kind in WITH_ENERGY} for name in CHANNELS}
    missing = {name: np.zeros(quarters, np.int64) for name in CHANNELS}
    due = {name: np.zeros(quarters, np.int64) for name in CHANNELS}
    for one in seen:
        volumes = one.volumes
        if volumes.day != day:
            raise InputError("bad-day", f"volumes of {volumes.day} are no part of the curve of {day}")
        fitting_hours(volumes, timezone)
        for name in CHANNELS:
            codes = codes_of(one, name)
            for kind in WITH_ENERGY:
                energy_wh[name][kind] += np.sum(
                    volumes.energy_wh[name], axis=0, dtype=np.int64, where=codes == KINDS.index(kind) + 1
                )
            missing[name] += np.count_nonzero(codes == KINDS.index(Kind.MISSING) + 1, axis=0)
            due[name] += np.count_nonzero(codes, axis=0)
    return DayCurve(caption=caption, day=day, timezone=timezone, energy_wh=energy_wh, missing=missing, due=due)
