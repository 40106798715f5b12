"""Where every connection of the fleet is on one local day, as columns: which groups there are, and who is in which.

Made once a day from the registry; sums are then a matter of indices. One connection is one home, however many meters it has
on the day: an old one and the one that took its place are read apart and counted together.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kwartier.clock import quarter_ends
from kwartier.errors import InputError
from kwartier.gate.ids import Link
from kwartier.gate.purposes import purposes
from kwartier.gate.suppression import Path
from kwartier.model import Meter

Integers: TypeAlias = npt.NDArray[np.int64]
Booleans: TypeAlias = npt.NDArray[np.bool_]
AREAS = ("grid_area", "transformer")
"""The groupings that lie inside each other; the two together are the finest areas there are."""
PARTIES = ("brp", "supplier")
NOBODY = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouping:
    """Groups, and for each home the number of the one it is in."""

    paths: tuple[Path, ...]
    codes: Integers = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The homes of one local day, numbered from 0."""

    eans: tuple[str, ...] = field(repr=False)
    meters: Mapping[tuple[str, str], int] = field(repr=False)
    """The home of each connection and meter."""
    several: Booleans = field(repr=False)
    """Which homes have more than one meter that day."""
    simulated: Booleans = field(repr=False)
    """Which are nobody's."""
    areas: Grouping
    """By grid area and transformer, whichever of the two is asked for."""
    parties: Mapping[str, Grouping]
    timezones: frozenset[str]

    def __len__(self) -> int:
        """How many homes."""
        return len(self.eans)

    def grouping(self, by: str) -> Grouping:
        """The groups that sums by ``by`` are made of."""
        return self.areas if by in AREAS else self.parties[by]

    def homes(self, links: Sequence[Link]) -> Integers:
        """The home that each link leads to, or :data:`NOBODY`: that meter is not at that connection on this day."""
        known = self.meters
        return np.fromiter((known.get(link[:2], NOBODY) for link in links), np.int64, len(links))

    def quarters(self, day: date) -> int:
        """How many quarters the local day has; ``InputError`` mixed-days when that depends on where one is."""
        found = {len(quarter_ends(day, day + timedelta(days=1), one)) - 1 for one in self.timezones}
        if len(found) > 1:
            zones = ", ".join(sorted(self.timezones))
            raise InputError("mixed-days", f"on {day} the time zones of the fleet have days of unequal length: {zones}")
        return max(found, default=0)


class _Groups:
    """Numbers for groups, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[Path, int] = {}
        self._codes: list[int] = []

    def add(self, *path: str) -> None:
        self._codes.append(self._numbers.setdefault(path, len(self._numbers)))

    def made(self) -> Grouping:
        return Grouping(paths=tuple(self._numbers), codes=np.array(self._codes, np.int64))


def places_of(meters: Iterable[Meter]) -> Places:
    """Where everything is on the day on which these are the meters of the fleet (``Registry.on_day``)."""
    nobodys = purposes()["test"].eans
    homes: dict[str, int] = {}
    known: dict[tuple[str, str], int] = {}
    areas, parties = _Groups(), {name: _Groups() for name in PARTIES}
    zones: set[str] = set()
    for one in meters:
        if one.ean not in homes:
            homes[one.ean] = len(homes)
            areas.add(one.grid_area, one.transformer)
            parties["brp"].add(one.brp)
            parties["supplier"].add(one.supplier)
            zones.add(one.timezone)
        known[one.ean, one.meter] = homes[one.ean]
    of_home = np.fromiter(known.values(), np.int64, len(known))
    return Places(
        eans=tuple(homes),
        meters=known,
        several=np.bincount(of_home, minlength=len(homes)) > 1,
        simulated=np.fromiter((ean.startswith(nobodys) for ean in homes), np.bool_, len(homes)),
        areas=areas.made(),
        parties={name: groups.made() for name, groups in parties.items()},
        timezones=frozenset(zones),
    )
