"""What was erased is out of sight from the moment of the decision on, although its rows leave the disk later.

The gate looks into the store through this room only. Where a whole year was erased there is no link any more, and nothing to
look up; where a part of a year was, the rows of that part are left out here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, timedelta

import numpy as np
from sqlalchemy import Engine, bindparam, select

from kwartier.database import reading
from kwartier.model import Stack, Volumes
from kwartier.store.reader import Reader
from kwartier.store.rows import Integers
from kwartier.store.versions import Picked
from kwartier.store.volumes_reader import Heads, Piece, Runs, VolumesReader, VolumesSource
from kwartier.tables import erasures

ONE_DAY = timedelta(days=1)
Days = tuple[date, date]
"""Local days, the second exclusive."""
Erased = Mapping[int, Sequence[Days]]
"""What was erased of each id."""
_ERASED = select(erasures.c.reading, erasures.c.valid_from, erasures.c.valid_to).where(
    erasures.c.valid_from < bindparam("end"), erasures.c.valid_to > bindparam("start")
)


class Unerased:
    """A reader that shows nothing of what was erased."""

    __slots__ = ("_engine", "_reader")

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader

    @property
    def version(self) -> int:
        """The version of the table that it looks at."""
        return self._reader.version

    def held(self, name: str, *, now: float, seconds: int) -> AbstractContextManager[int]:
        """As :meth:`kwartier.store.reader.Reader.held`."""
        return self._reader.held(name, now=now, seconds=seconds)

    def look_up(self, ids: Sequence[int], start: date, end: date) -> Iterator[Stack]:
        """As :meth:`kwartier.store.reader.Reader.look_up`."""
        erased = _erased(self._engine, start, end)
        for stack in self._reader.look_up(ids, start, end):
            yield from _without(stack, erased)

    def scan(self, day: date, picked: Picked | None = None) -> Iterator[Stack]:
        """As :meth:`kwartier.store.reader.Reader.scan`."""
        erased = _erased(self._engine, day, day + ONE_DAY)
        for stack in self._reader.scan(day, picked):
            yield from _without(stack, erased)

    def versions(self, day: date) -> Picked:
        """As :meth:`kwartier.store.reader.Reader.versions`."""
        ids, versions = self._reader.versions(day)
        left = np.isin(ids, _left(self._engine, day, ids))
        return ids[left], versions[left]

    def ids(self, day: date) -> Integers:
        """As :meth:`kwartier.store.reader.Reader.ids`."""
        return _left(self._engine, day, self._reader.ids(day))


class UnerasedVolumes:
    """A reader of volumes that shows nothing of what was erased; each method as the reader's own of that name."""

    __slots__ = ("_engine", "_reader")

    def __init__(self, engine: Engine, reader: VolumesReader) -> None:
        self._engine = engine
        self._reader = reader

    @property
    def version(self) -> int:
        """The version of the table that it looks at."""
        return self._reader.version

    def held(self, name: str, *, now: float, seconds: int) -> AbstractContextManager[int]:
        """Every question is about one version, and its files stay."""
        return self._reader.held(name, now=now, seconds=seconds)

    def steady(self) -> AbstractContextManager[int]:
        """Every question is about one version."""
        return self._reader.steady()

    def days(self, start: date, end: date) -> list[date]:
        """The days of which there is something."""
        return self._reader.days(start, end)

    def left(self, day: date, ids: Integers) -> Integers:
        """Those of some ids of which the day was not erased."""
        return _left(self._engine, day, ids)

    def heads(self, day: date, run: int | None) -> Heads:
        """What there is of a day."""
        found = self._reader.heads(day, run)
        left = np.isin(found.ids, _left(self._engine, day, found.ids))
        return found if left.all() else Heads(found.ids[left], found.usable[left], found.runs[left])

    def made_of(self, day: date, run: int | None) -> Picked:
        """Of which version of the readings each row was made, whether it was erased or not."""
        return self._reader.made_of(day, run)

    def states(self, day: date, run: int | None, only: Integers) -> tuple[Integers, Mapping[str, Integers]]:
        """What is kept of a day for the next."""
        return self._reader.states(day, run, _left(self._engine, day, only))

    def scan(self, day: date, run: int | None, only: Integers) -> Iterator[Volumes]:
        """The volumes of a day."""
        yield from self._reader.scan(day, run, _left(self._engine, day, only))

    def look_up(self, wanted: Mapping[date, Integers], runs: Runs) -> Iterator[Volumes]:
        """The volumes of some ids on each of some days."""
        if not wanted:
            return
        erased = _erased(self._engine, min(wanted), max(wanted) + ONE_DAY)
        left = {day: _of_left(erased, day, ids) for day, ids in wanted.items()}
        every = np.unique(np.concatenate(list(left.values())))
        for volumes in self._reader.look_up(every.tolist(), runs):
            shown = np.isin(volumes.ids, left[volumes.day])
            if shown.any():
                yield volumes if shown.all() else volumes.only(shown)

    def qualities(self, ids: Integers, day: date, quarters: int, run: int | None) -> Iterator[Volumes]:
        """How the quarters of some ids came about on one day."""
        yield from self._reader.qualities(_left(self._engine, day, ids).tolist(), day, quarters, run)

    def work(self, day: date, run: int | None, only: Integers) -> tuple[VolumesSource, list[Piece]]:
        """What an engine needs to go through a day."""
        return self._reader.work(day, run, _left(self._engine, day, only))


def _left(engine: Engine, day: date, ids: Integers) -> Integers:
    """Those of some ids of which a local day was not erased."""
    return _of_left(_erased(engine, day, day + ONE_DAY), day, ids)


def _of_left(erased: Erased, day: date, ids: Integers) -> Integers:
    gone = _gone(erased, day)
    return ids[~np.isin(ids, gone)] if len(gone) else ids


def _gone(erased: Erased, day: date) -> Integers:
    """The ids of which a local day was erased."""
    gone = [identity for identity, spans in erased.items() if any(start <= day < end for start, end in spans)]
    return np.array(gone, np.int64)


def _erased(engine: Engine, start: date, end: date) -> Erased:
    """The days of each id of which some were erased in this span."""
    found: dict[int, list[Days]] = defaultdict(list)
    with reading(engine) as connection:
        for row in connection.execute(_ERASED, {"start": start, "end": end}):
            found[row.reading].append((row.valid_from, row.valid_to))
    return found


def _without(stack: Stack, erased: Erased) -> Iterator[Stack]:
    if not erased:
        yield stack
        return
    kept = ~np.isin(stack.ids, _gone(erased, stack.day))
    if kept.any():
        yield stack.only(kept)
