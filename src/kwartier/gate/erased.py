"""What was erased is out of sight from the moment of the decision on, although its rows leave the disk later.

The gate looks into the store through this room only. Where a whole year was erased there is no link any more, and nothing to
look up; where a part of a year was, the rows of that part are left out here.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
from sqlalchemy import Engine, bindparam, select

from kwartier.database import reading
from kwartier.model import Stack
from kwartier.store.reader import Reader
from kwartier.store.rows import Integers
from kwartier.tables import erasures

Days = tuple[date, date]
"""Local days, the second exclusive."""
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

    def look_up(self, ids: Sequence[int], start: date, end: date) -> Iterator[Stack]:
        """As :meth:`kwartier.store.reader.Reader.look_up`."""
        erased = self._erased(start, end)
        for stack in self._reader.look_up(ids, start, end):
            yield from _without(stack, erased)

    def scan(self, day: date) -> Iterator[Stack]:
        """As :meth:`kwartier.store.reader.Reader.scan`."""
        erased = self._erased(day, date.fromordinal(day.toordinal() + 1))
        for stack in self._reader.scan(day):
            yield from _without(stack, erased)

    def ids(self, day: date) -> Integers:
        """As :meth:`kwartier.store.reader.Reader.ids`."""
        found = self._reader.ids(day)
        gone = list(self._erased(day, date.fromordinal(day.toordinal() + 1)))
        return found[~np.isin(found, np.array(gone, np.int64))] if gone else found

    def _erased(self, start: date, end: date) -> dict[int, list[Days]]:
        """The days of each id of which some were erased in this span."""
        found: dict[int, list[Days]] = defaultdict(list)
        with reading(self._engine) as connection:
            for row in connection.execute(_ERASED, {"start": start, "end": end}):
                found[row.reading].append((row.valid_from, row.valid_to))
        return found


def _without(stack: Stack, erased: dict[int, list[Days]]) -> Iterator[Stack]:
    if not erased:
        yield stack
        return
    gone = [identity for identity, spans in erased.items() if any(start <= stack.day < end for start, end in spans)]
    kept = ~np.isin(stack.ids, np.array(gone, np.int64))
    if kept.any():
        yield stack.only(kept)
