"""How complete a validated day is, counted by cohort and hour while it is validated: nobody reads the day again to know it.

A cohort is a grid area, a radio cell in it, or a supplier and firmware of what answers. Counts are of quarters, each of one
kind and, where that is late, estimated or missing, with one reason. A run over some readings takes away what these were before
and adds what they are now. A meter whose cohort was corrected in between is taken from the one it is in now, as far as it goes.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, bindparam, delete, select

from kwartier.database import insert_lines
from kwartier.export.pictures.coverage import Seen, codes_of, fitting_hours
from kwartier.export.pictures.hours import SLOTS
from kwartier.export.pictures.palette import KINDS, Kind
from kwartier.gate.ids import Link
from kwartier.model import Quality, Volumes
from kwartier.service.reasons import REASONS, Reason
from kwartier.service.validating.causes import Why
from kwartier.tables import coverage_counts

AREA, CELL, KIND = "area", "cell", "kind"
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


class Covered:
    """Counts of one day. By meter, ``places``: its grid area and its cell; ``kinds``: supplier and firmware."""

    def __init__(self, timezone: str, places: Mapping[str, tuple[str, str]], kinds: Mapping[str, str]) -> None:
        self._timezone = timezone
        self._place, self._kind = places, kinds
        self._groups: dict[tuple[tuple[str, str], str], int] = {}
        self._numbers: dict[Key, int] = {}
        self._members: list[tuple[int, ...]] = []
        """By group: the numbers of its cohorts."""
        self._meters: list[int] = []
        self._counts: list[Counts] = []

    def add(self, volumes: Volumes, links: Sequence[Link], why: Why, *, sign: int = 1) -> None:
        """Count some rows; with ``sign`` -1 take them away again."""
        if not len(volumes):
            return
        slots = fitting_hours(volumes, self._timezone).slots
        groups = np.array([self._group(link.meter) for link in links], np.int64)
        plain = _plain(volumes) & (why.late == 0)
        quarters = np.bincount(slots, minlength=SLOTS)
        for group, count in _counted(groups[plain]):
            for number in self._members[group]:
                self._meters[number] += sign * count
                self._counts[number][:, 0] += sign * count * quarters
        odd = np.flatnonzero(~plain)
        if not len(odd):
            return
        codes, due = _codes(volumes.only(odd), Why(why.lack[odd], why.late[odd]))
        cells = slots * len(CODES) + codes
        for group, count in _counted(groups[odd]):
            rows = groups[odd] == group
            found = np.bincount(cells[rows][due[rows]], minlength=SLOTS * len(CODES)).reshape(SLOTS, len(CODES))
            for number in self._members[group]:
                self._meters[number] += sign * count
                self._counts[number] += sign * found

    def cohorts(self) -> list[Cohort]:
        """What was counted."""
        return [Cohort(key, self._meters[number], self._counts[number]) for key, number in self._numbers.items()]

    def _group(self, meter: str) -> int:
        key = self._place.get(meter, ("", "")), self._kind.get(meter, "")
        found = self._groups.get(key)
        if found is None:
            (area, cell), kind = key
            keys = Key(AREA, "", area), Key(CELL, area, cell), Key(KIND, "", kind)
            found = self._groups[key] = len(self._groups)
            self._members.append(tuple(self._number(one) for one in keys))
        return found

    def _number(self, key: Key) -> int:
        found = self._numbers.setdefault(key, len(self._numbers))
        if found == len(self._counts):
            self._meters.append(0)
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
        cohorts = covered.cohorts()
        if not whole:
            known = {one.key: one for one in read(connection, day, for_update=True)}
            if not known:
                return
            cohorts = [_together(known.get(one.key), one) for one in cohorts]
            if not cohorts:
                return
        gone = delete(coverage_counts).where(coverage_counts.c.day == day)
        if whole:
            connection.execute(gone)
        else:
            same = [coverage_counts.c[name] == bindparam(f"of_{name}") for name in Key._fields]
            values = [{f"of_{name}": value for name, value in one.key._asdict().items()} for one in cohorts]
            connection.execute(gone.where(*same), values)
        insert_lines(connection, coverage_counts, [_line(run, day, one) for one in cohorts if one.meters > 0])

    return keep


def _together(known: Cohort | None, more: Cohort) -> Cohort:
    if known is None:
        return Cohort(more.key, max(0, more.meters), np.maximum(more.counts, 0))
    return Cohort(more.key, max(0, known.meters + more.meters), np.maximum(known.counts + more.counts, 0))


def read(connection: Connection, day: date, *, axis: str = "", for_update: bool = False) -> list[Cohort]:
    """The counts of a day by hour, along one axis or all."""
    query = select(coverage_counts).where(coverage_counts.c.day == day)
    query = query.where(coverage_counts.c.axis == axis) if axis else query
    rows = connection.execute(query.with_for_update() if for_update else query).all()
    return [Cohort(Key(row.axis, row.within, row.cohort), row.meters, hours_from(row.hours)) for row in rows]


def hours_from(packed: bytes) -> Counts:
    """Counts by slot and code, as they are kept."""
    return np.frombuffer(zlib.decompress(packed), _HOURS).reshape(SLOTS, len(CODES)).astype(np.int64)


def totals_from(packed: bytes) -> Counts:
    """Counts by code, as they are kept."""
    return np.frombuffer(packed, _TOTALS).astype(np.int64)


def _line(run: int, day: date, one: Cohort) -> tuple[object, ...]:
    hours = zlib.compress(one.counts.astype(_HOURS).tobytes(), 1)
    return (f"{day}", *one.key, run, one.meters, one.counts.sum(axis=0).astype(_TOTALS).tobytes(), hours)
