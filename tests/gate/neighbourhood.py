"""A neighbourhood in which people come and go, and what somebody could compute who keeps every figure ever published.

Person number n uses 1 Wh in quarter n of every day and nothing else, so that the quarters of a figure say who is in it.
Everybody uses the same every day: that is the worst case, in which figures of different days may be subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from itertools import combinations

import numpy as np
from sqlalchemy import Engine

from kwartier.database import writing
from kwartier.gate.blocks import Blocks, retire
from kwartier.gate.ids import Link
from kwartier.gate.places import Places, places_of
from kwartier.gate.purposes import Resolution
from kwartier.gate.sums import Sums, Terms, sums_of
from kwartier.model import Meter, Missing, Stack

FIRST_DAY = date(2026, 3, 1)
QUARTERS = 96
CHANNELS = ("import_wh",)
Vector = tuple[int, ...]


def meter(ean: str, name: str, grid_area: str = "A", transformer: str = "", brp: str = "", zone: str = "") -> Meter:
    return Meter(
        meter=name,
        ean=ean,
        host="127.0.0.1",
        port=4059,
        system_title=b"KWT00000",
        companion="smr-5.5",
        grid_area=grid_area,
        transformer=transformer,
        brp=brp,
        timezone=zone or "Europe/Amsterdam",
    )


def stack_of(day: date, uses: Sequence[Sequence[int]], missing: Sequence[Sequence[int]] = ()) -> Stack:
    """The day of meters numbered from 0 that use so much a quarter; ``missing``: the places that are not there."""
    steps = np.array(uses, np.int64).reshape(len(uses), -1 if uses else QUARTERS)
    count, quarters = steps.shape
    registers = np.concatenate([np.full((count, 1), 1000), 1000 + np.cumsum(steps, axis=1)], axis=1)
    reasons = np.zeros((count, quarters + 1), np.uint8)
    for row, places in enumerate(missing):
        reasons[row, list(places)] = Missing.NOT_RECEIVED
    return Stack(
        day=day,
        ids=np.arange(count),
        registers={name: np.where(reasons == 0, registers, 0) for name in CHANNELS},
        missing=dict.fromkeys(CHANNELS, reasons),
        status=np.zeros((count, quarters + 1), np.uint8),
        clock_status=np.zeros((count, quarters + 1), np.uint8),
        versions=np.ones(count, np.int64),
        known_at=np.zeros(count, np.int64),
    )


@dataclass(slots=True, kw_only=True)
class Home:
    ean: str
    person: int
    area: tuple[str, str]
    connected: bool = True
    held: bool = False


@dataclass(slots=True, kw_only=True)
class Neighbourhood:
    """Who lives where, and every figure that was published so far."""

    engine: Engine
    blocks: Blocks
    minimum: int
    whole_blocks: bool = True
    retires: bool = True
    homes: list[Home] = field(default_factory=list)
    persons: int = 0
    day: date = FIRST_DAY
    published: set[Vector] = field(default_factory=set)
    miscounted: int = 0
    """Figures that say of more or fewer homes than are in them that they are counted."""

    def move_in(self, area: tuple[str, str]) -> None:
        """A connection that was not there before."""
        self.homes.append(Home(ean=f"87{len(self.homes):016d}", person=self._person(), area=area))

    def change_tenant(self, home: Home) -> None:
        """One household goes and another comes, at the same connection; and we are told."""
        if self.persons < QUARTERS:
            home.person = self._person()
            if self.retires:
                with writing(self.engine) as connection:
                    retire(connection, [home.ean])

    def _person(self) -> int:
        self.persons += 1
        return self.persons - 1

    def next_day(self) -> None:
        self.day += timedelta(days=1)

    def release(self, absent: Sequence[int], by: str, area: str = "") -> Sums:
        """Publish the sums of today; the homes numbered ``absent`` have a hole in their day."""
        read = [home for home in self.homes if home.connected and not home.held]
        uses = np.zeros((len(read), QUARTERS), np.int64)
        uses[np.arange(len(read)), [home.person for home in read]] = 1
        holes = [[QUARTERS // 2] if self.homes.index(home) in absent else [] for home in read]
        stack, links = stack_of(self.day, uses.tolist(), holes), [Link(one.ean, one.ean, self.day.year) for one in read]
        found = sums_of(
            self.day,
            lambda: [(stack, links)] if links else [],
            places=self._places(),
            terms=Terms(
                by=by,
                channels=CHANNELS,
                complete_in=CHANNELS,
                resolution=Resolution.QUARTER,
                minimum=self.minimum,
                whole_blocks=self.whole_blocks,
                area=area,
            ),
            blocks=self.blocks,
        )
        for one in (*found.rows, found.total):
            if one.energy_wh is not None:
                vector = tuple(one.energy_wh["import_wh"].tolist())
                self.miscounted += sum(vector) != one.counted or not set(vector) <= {0, 1}
                if any(vector):
                    self.published.add(vector)
        return found

    def _places(self) -> Places:
        return places_of(meter(one.ean, one.ean, *one.area) for one in self.homes if one.connected)


def told_apart(published: set[Vector]) -> list[int]:
    """How many persons are in each set that figures do not tell apart; whoever is in no figure is not counted."""
    columns = list(zip(*sorted(published), strict=True))
    return [columns.count(one) for one in set(columns) if any(one)]


def smallest_group(published: set[Vector], below: int) -> int:
    """The smallest group of which some combination of figures tells something, or ``below`` if none is smaller.

    A combination that only concerns the persons of U exists if, and only if, the rank of the figures falls when the columns
    of U are taken away. Exact, and exponential: for a handful of persons.
    """
    columns = [one for one in zip(*_basis(sorted(published)), strict=True) if any(one)]
    whole = rank(columns)
    for size in range(1, min(below, len(columns) + 1)):
        for chosen in combinations(range(len(columns)), size):
            if rank([one for place, one in enumerate(columns) if place not in chosen]) < whole:
                return size
    return below


def _basis(rows: Sequence[Sequence[int | Fraction]]) -> list[tuple[Fraction, ...]]:
    """Independent rows that span the same, by elimination in whole fractions."""
    found: list[tuple[Fraction, ...]] = []
    pivots: list[int] = []
    for row in rows:
        left = [Fraction(one) for one in row]
        for known, pivot in zip(found, pivots, strict=True):
            if left[pivot]:
                factor = left[pivot]
                left = [a - factor * b for a, b in zip(left, known, strict=True)]
        pivot = next((place for place, one in enumerate(left) if one), -1)
        if pivot >= 0:
            found.append(tuple(one / left[pivot] for one in left))
            pivots.append(pivot)
    return found


def rank(vectors: Sequence[Sequence[int | Fraction]]) -> int:
    return len(_basis(vectors))
