"""How complete a validated day is, counted by cohort and hour while it is validated: nobody reads the day again to know it.

A cohort is a grid area, a radio cell in it, or a supplier and firmware of what answers. Counts are of quarters, each of one
kind and, where that is late, estimated or missing, with one reason. A run over some readings takes away what these were before
and adds what they are now. A meter whose cohort was corrected in between is taken from the one it is in now, as far as it goes.
"""

import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from kwartier.database import replace_rows
from kwartier.export.pictures.coverage import Seen, codes_of, fitting_hours
from kwartier.export.pictures.hours import SLOTS
from kwartier.export.pictures.palette import KINDS, Kind
from kwartier.fleet.standing import Coded
from kwartier.gate.ids import Links
from kwartier.model import Quality, Volumes
from kwartier.names import Names, places_in
from kwartier.service.reasons import REASONS, Reason
from kwartier.service.validating.causes import Why
from kwartier.tables import coverage_counts

AREA: Final = "area"
CELL: Final = "cell"
KIND: Final = "kind"
AXES = (AREA, CELL, KIND)
Counts = npt.NDArray[np.int64]


class Code(NamedTuple):
    """How a quarter is counted."""

    kind: Kind
    reason: Reason | None


CODES = (
    Code(Kind.MEASURED, None),
    Code(Kind.CALCULATED, None),
    *(Code(kind, reason) for kind in (Kind.LATE, Kind.ESTIMATED, Kind.MISSING) for reason in REASONS),
)
_FIRST = np.array([0, *(next(at for at, code in enumerate(CODES) if code.kind is kind) for kind in KINDS)], np.uint8)
"""By the code of a picture (0: not due): where the codes of a kind begin here."""
_LATE = KINDS.index(Kind.LATE) + 1
MAX_NAMES = 16
"""Lists of cohorts that are kept in memory."""
QUICK = 1
"""Compressed in a hurry: most counts are zeros, and any way of compressing finds that."""
_HOURS = np.dtype("<i4")
_TOTALS = np.dtype("<i8")


class Key(NamedTuple):
    """A cohort: ``within`` is the grid area of a cell."""

    axis: str
    within: str
    cohort: str


class Cohort(NamedTuple):
    """How complete a cohort is. ``counts``: slots of :mod:`kwartier.export.pictures.hours` by :data:`CODES`."""

    key: Key
    meters: int
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """What meters, by name, belong to: the grid area and the cell of each, and its kind: supplier and firmware."""

    meters: Names = field(repr=False)
    area: Coded = field(repr=False)
    cell: Coded = field(repr=False)
    kind: Coded = field(repr=False)

    def groups(self) -> tuple[list[tuple[str, str, str]], Counts]:
        """Area, cell and kind that some meters have in common, and which of these each has.

        The last are those of whom nothing is known, and the last place is one of them: that of
        :data:`~kwartier.names.NOWHERE`.
        """
        columns = self.area, self.cell, self.kind
        sizes = [max(1, len(one.texts)) for one in columns]
        codes = np.ravel_multi_index([one.codes.astype(np.int64) for one in columns], sizes)
        present, groups = np.unique(codes, return_inverse=True)
        of_each = zip(*(one.tolist() for one in np.unravel_index(present, sizes)), strict=True)
        named = [(self.area.texts[area], self.cell.texts[cell], self.kind.texts[kind]) for area, cell, kind in of_each]
        return [*named, ("", "", "")], np.append(groups, len(named)).astype(np.int64)


class Covered:
    """Counts of one day."""

    def __init__(self, timezone: str, cohorts: Cohorts) -> None:
        self._timezone = timezone
        self._meters = cohorts.meters
        self._names, self._groups = cohorts.groups()
        """Of groups - the meters of one cell and kind - and by meter which one it is in."""
        self._numbers: dict[Key, int] = {}
        self._members: dict[int, tuple[int, ...]] = {}
        """By group the numbers of its cohorts."""
        self._plain, self._odd = Counter[int](), Counter[int]()
        """By group: meters that were measured all day, and the others."""
        self._quarters = np.zeros(SLOTS, np.int64)
        """Of the day, by slot."""
        self._counts: list[Counts] = []
        """By number: the quarters of the others."""

    def add(self, volumes: Volumes, links: Links, why: Why, *, sign: int = 1) -> None:
        """Count some rows; with ``sign`` -1 take them away again."""
        if not len(volumes):
            return
        slots = fitting_hours(volumes, self._timezone).slots
        self._quarters = np.bincount(slots, minlength=SLOTS)
        groups = self._groups[places_in(self._meters, links.meters)]
        self._join(groups)
        plain = _plain(volumes) & (why.late == 0)
        self._plain.update({group: sign * count for group, count in _counted(groups[plain])})
        odd = np.flatnonzero(~plain)
        if not len(odd):
            return
        self._odd.update({group: sign * count for group, count in _counted(groups[odd])})
        codes, due = _codes(volumes.only(odd), Why(why.lack[odd], why.late[odd]))
        present, places = np.unique(groups[odd], return_inverse=True)
        size = SLOTS * len(CODES)
        cells = (places.reshape(-1, 1) * size + slots * len(CODES) + codes)[due]
        counts = np.bincount(cells, minlength=len(present) * size).reshape(-1, SLOTS, len(CODES))
        for place, group in enumerate(present.tolist()):
            for number in self._members[group]:
                self._counts[number] += sign * counts[place]

    def cohorts(self) -> list[Cohort]:
        """What was counted."""
        meters, counts = [0] * len(self._numbers), [one.copy() for one in self._counts]
        for group, members in self._members.items():
            for number in members:
                meters[number] += self._plain[group] + self._odd[group]
                counts[number][:, 0] += self._plain[group] * self._quarters
        return [Cohort(key, meters[number], counts[number]) for key, number in self._numbers.items()]

    def _join(self, groups: Counts) -> None:
        """Give the cohorts of these groups their numbers."""
        for group in np.flatnonzero(np.bincount(groups)).tolist():
            if group not in self._members:
                area, cell, kind = self._names[group]
                keys = Key(AREA, "", area), Key(CELL, area, cell), Key(KIND, "", kind)
                self._members[group] = tuple(self._number(one) for one in keys)

    def _number(self, key: Key) -> int:
        found = self._numbers.setdefault(key, len(self._numbers))
        if found == len(self._counts):
            self._counts.append(np.zeros((SLOTS, len(CODES)), np.int64))
        return found


def _plain(volumes: Volumes) -> npt.NDArray[np.bool_]:
    """The rows that were measured all day, in every direction that they have, and one at least."""
    whole, fits = np.zeros(len(volumes), np.bool_), np.ones(len(volumes), np.bool_)
    for quality in volumes.quality.values():
        measured = ~quality.any(axis=1)
        absent = ~measured & (quality[:, 0] == Quality.ABSENT)
        rows = np.flatnonzero(absent)
        absent[rows] = (quality[rows] == Quality.ABSENT).all(axis=1)
        whole |= measured
        fits &= measured | absent
    return whole & fits


def _codes(volumes: Volumes, why: Why) -> tuple[Counts, npt.NDArray[np.bool_]]:
    """The place of each quarter in :data:`CODES`, and whether it counts."""
    kinds = codes_of(Seen(volumes, why.late > 0))
    lack, late = (np.maximum(one, 1).astype(np.int64)[:, np.newaxis] - 1 for one in why)
    found = _FIRST[kinds] + np.where(kinds == _LATE, late, np.where(kinds > _LATE, lack, 0))
    return found.astype(np.int64), kinds > 0


def _counted(groups: Counts) -> Iterable[tuple[int, int]]:
    values, counts = np.unique(groups, return_counts=True)
    return zip(values.tolist(), counts.tolist(), strict=True)


# In the database.


def keeping(run: int, day: date, covered: Covered, *, whole: bool) -> Callable[[Connection], None]:
    """What stores the counts as a part of a transaction: all there is of a day, or what a run over some readings changes.

    Where the day was never counted as a whole, such a change is of nothing, and nothing is stored.
    """

    def keep(connection: Connection) -> None:
        fresh = {one.key: one for one in covered.cohorts()}
        for axis in AXES:
            known = {} if whole else {one.key: one for one in read(connection, day, axis, for_update=True)}
            if not whole and not known:
                continue
            cohorts = known | {key: _together(known.get(key), one) for key, one in fresh.items() if key.axis == axis}
            there = sorted((one for one in cohorts.values() if one.meters > 0), key=lambda one: one.key)
            replace_rows(connection, coverage_counts, [_row(run, day, axis, there)])

    return keep


def _together(known: Cohort | None, more: Cohort) -> Cohort:
    if known is None:
        return Cohort(more.key, max(0, more.meters), np.maximum(more.counts, 0))
    return Cohort(more.key, max(0, known.meters + more.meters), np.maximum(known.counts + more.counts, 0))


def read(connection: Connection, day: date, axis: str, *, for_update: bool = False) -> list[Cohort]:
    """The counts of a day by hour along one axis, in the order of cohorts."""
    query = select(coverage_counts.c.cohorts, coverage_counts.c.meters, coverage_counts.c.hours)
    query = query.where(coverage_counts.c.day == day, coverage_counts.c.axis == axis)
    row = connection.execute(query.with_for_update() if for_update else query).one_or_none()
    if row is None:
        return []
    keys, meters = _keys(axis, row[0]), np.frombuffer(row[1], _TOTALS).tolist()
    counts = np.frombuffer(zlib.decompress(row[2]), _HOURS).reshape(-1, SLOTS, len(CODES)).astype(np.int64)
    return [Cohort(key, some, counts[at]) for at, (key, some) in enumerate(zip(keys, meters, strict=True))]


class OfDay(NamedTuple):
    """The cohorts of a day along one axis, how many meters each has, and its counts by :data:`CODES` over all hours."""

    day: date
    keys: tuple[Key, ...]
    meters: Counts
    totals: Counts


def read_days(connection: Connection, axis: str, start: date, end: date) -> list[OfDay]:
    """Days from ``start`` up to ``end`` that were counted, without their hours."""
    shown = (coverage_counts.c.day, coverage_counts.c.cohorts, coverage_counts.c.meters, coverage_counts.c.totals)
    query = select(*shown).where(coverage_counts.c.axis == axis)
    query = query.where(coverage_counts.c.day >= start, coverage_counts.c.day < end).order_by(coverage_counts.c.day)
    found = []
    for day, cohorts, meters, totals in connection.execute(query):
        counts = np.frombuffer(zlib.decompress(totals), _TOTALS).reshape(-1, len(CODES)).astype(np.int64)
        found.append(OfDay(day, _keys(axis, cohorts), np.frombuffer(meters, _TOTALS).astype(np.int64), counts))
    return found


@lru_cache(maxsize=MAX_NAMES)
def _keys(axis: str, text: str) -> tuple[Key, ...]:
    """The cohorts of a day: from one day to the next they mostly are the same."""
    return tuple(Key(axis, within, cohort) for within, cohort in json.loads(text))


def _row(run: int, day: date, axis: str, cohorts: Sequence[Cohort]) -> dict[str, object]:
    counts = np.array([one.counts for one in cohorts], np.int64).reshape(-1, SLOTS, len(CODES))
    return {
        "day": day,
        "axis": axis,
        "run": run,
        "cohorts": json.dumps([one.key[1:] for one in cohorts], ensure_ascii=False),
        "meters": np.array([one.meters for one in cohorts], _TOTALS).tobytes(),
        "totals": zlib.compress(counts.sum(axis=1).astype(_TOTALS).tobytes(), QUICK),
        "hours": zlib.compress(counts.astype(_HOURS).tobytes(), QUICK),
    }
