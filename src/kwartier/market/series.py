"""What is said of quarter hours - energies of an area, fractions of a profile - kept a row a quarter and handed out in columns.

Both tables are keyed alike: whose series it is, then the quarter and the direction. Rows are stated in the order of that key,
so that one question about a stretch of it answers for many of them.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Table, select

from kwartier.database import Line, insert_lines, many
from kwartier.market.revisions import standing
from kwartier.model import Times
from kwartier.rowfile import Value
from kwartier.tables import STANDING, area_energies
from kwartier.tables import fractions as fractions_table

BATCH = 10_000
"""Rows that are stated together."""
Key = tuple[str, str]
Said = tuple[Value, ...]
"""A row of a file: whose, quarter, direction, facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One number for each quarter that was asked for; meaningful where ``there``. The repr shows none."""

    values: npt.NDArray[np.int64] = field(repr=False)
    """Wh, or for fractions units of 1e-12."""
    there: npt.NDArray[np.bool_] = field(repr=False)
    quality: tuple[str, ...] = field(default=(), repr=False)
    """Of fractions: how sure each is, such as DYN or STD; empty where none is there."""

    @property
    def is_whole(self) -> bool:
        """Whether no quarter is missing."""
        return bool(self.there.all())


class Quarters:
    """One of the tables. Two columns say whose series it is."""

    __slots__ = ("_facts", "_name", "_table")

    def __init__(self, table: Table) -> None:
        names = [column.name for column in table.columns]
        self._table = table
        self._name = tuple(names[: names.index("quarter")])
        self._facts = tuple(names[names.index("superseded") + 1 :])

    def state(self, connection: Connection, said: Iterable[Said], revision: int) -> int:
        """Take in rows, which are sorted and no two of one quarter and direction; how many said something new."""
        changed = 0
        remaining = iter(said)
        while batch := list(islice(remaining, BATCH)):
            changed += self._state(connection, batch, revision)
        return changed

    def _state(self, connection: Connection, said: Sequence[Said], revision: int) -> int:
        width = len(self._name)
        replaced: list[Line] = []
        added: list[Line] = []
        for name, rows in groupby(said, key=lambda one: one[:width]):
            stated = list(rows)
            known = self._known(connection, name, stated[0][width], stated[-1][width])
            for row in stated:
                place, facts = row[width : width + 2], row[width + 2 :]
                before = known.get(place)
                if before is not None and before[1] == facts:
                    continue
                if before is not None:
                    replaced.append((revision, *name, *place, before[0]))
                added.append((*name, *place, revision, STANDING, *facts))
        where = " AND ".join(f"{one} = ?" for one in (*self._name, "quarter", "direction", "revision"))
        many(connection, f"UPDATE {self._table.name} SET superseded = ? WHERE {where}", replaced)
        insert_lines(connection, self._table, added)
        return len(added)

    def _known(self, connection: Connection, name: Said, first: Value, last: Value) -> dict[Said, tuple[int, Said]]:
        """What stands from one quarter to another: by quarter and direction, since which revision, and the facts."""
        columns = self._table.c
        query = select(columns.quarter, columns.direction, columns.revision, *(columns[one] for one in self._facts))
        query = query.where(
            *(columns[one] == value for one, value in zip(self._name, name, strict=True)),
            columns.quarter.between(first, last),
            columns.superseded == STANDING,
        )
        found = connection.execute(query).all()
        return {(quarter, direction): (since, tuple(facts)) for quarter, direction, since, *facts in found}

    def find(
        self, connection: Connection, times: Times, revision: int, *, group: str = ""
    ) -> dict[tuple[Key, str], Series]:
        """As of a revision, the series of which some quarter of ``times`` is there, by whose it is and its direction.

        ``times``: quarter ends in UTC seconds, ascending. ``group``: what the first column of the name has to be.
        """
        found: dict[tuple[Key, str], Series] = {}
        if not len(times):
            return found
        columns = self._table.c
        shown = (columns.direction, columns.quarter, *(columns[one] for one in self._facts))
        for name in self._names(connection, group):
            query = select(*shown).where(
                *(columns[one] == value for one, value in zip(self._name, name, strict=True)),
                columns.quarter.between(int(times[0]), int(times[-1])),
                standing(self._table, revision),
            )
            rows = connection.execute(query.order_by(columns.direction, columns.quarter)).all()
            for direction, of_it in groupby(rows, key=lambda row: str(row[0])):
                series = _series(times, [tuple(row) for row in of_it])
                if series is not None:
                    found[name, direction] = series
        return found

    def _names(self, connection: Connection, only: str) -> Iterator[Key]:
        """Whose series there are. Each is found behind the one before it: a table of years is not read through for them."""
        first, second = (self._table.c[one] for one in self._name)
        group, within = only, ""
        while True:
            # Asked in two steps: one comparison of both columns is answered by walking over all rows of the last name.
            query = select(first, second).where(first == group, second > within).order_by(second).limit(1)
            row = connection.execute(query).first()
            if row is None and not only:
                query = select(first, second).where(first > group).order_by(first, second).limit(1)
                row = connection.execute(query).first()
            if row is None:
                return
            group, within = row
            yield group, within


def _series(times: Times, rows: Sequence[tuple[object, ...]]) -> Series | None:
    """Rows (direction, quarter, value, quality) at their places in ``times``; None: none of them has one."""
    quarters = np.array([row[1] for row in rows], np.int64)
    places = np.searchsorted(times, quarters)
    fitting = times[places] == quarters
    if not fitting.any():
        return None
    values, there = np.zeros(len(times), np.int64), np.zeros(len(times), np.bool_)
    there[places[fitting]] = True
    values[places[fitting]] = np.array([row[2] for row in rows], np.int64)[fitting]
    if len(rows[0]) == 3:
        return Series(values=values, there=there)
    quality = [""] * len(times)
    for place, row, fits in zip(places.tolist(), rows, fitting.tolist(), strict=True):
        if fits:
            quality[place] = str(row[3])
    return Series(values=values, there=there, quality=tuple(quality))


ENERGIES, FRACTIONS = Quarters(area_energies), Quarters(fractions_table)


def energies(connection: Connection, kind: str, times: Times, revision: int) -> Mapping[tuple[str, str], Series]:
    """Infeed or losses by area and direction."""
    found = ENERGIES.find(connection, times, revision, group=kind)
    return {(area, direction): series for ((_, area), direction), series in found.items()}


def fractions(connection: Connection, times: Times, revision: int) -> Mapping[tuple[str, str, str], Series]:
    """Fractions by area, profile and direction."""
    found = FRACTIONS.find(connection, times, revision)
    return {(area, profile, direction): series for ((area, profile), direction), series in found.items()}
