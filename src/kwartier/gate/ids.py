"""The only link between a connection and its readings: a random id for each connection, meter and calendar year.

The store knows the id and nothing else. Whoever deletes a row here ends the link for that year; the year is that of the local
day. Ids are drawn at random, so none tells anything of its neighbours.
"""

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, Select, select

from kwartier.database import insert_once, reading
from kwartier.errors import StateError
from kwartier.names import Names, chained, names_of
from kwartier.tables import reading_ids

ID_BITS = 64
BATCH = 400
"""Meters in one statement."""
MANY = 5_000
"""With so many ids it is quicker to go through all of a year than to ask for each."""
PAGE = 50_000
"""Rows that going through a year takes at once."""
MAX_DRAWS = 4
"""How often ids are drawn anew because they were taken: twice in a row does not happen."""


class Link(NamedTuple):
    """What an id stands for."""

    ean: str
    meter: str
    year: int


Integers = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Links(Sequence[Link]):
    """What many ids of a year stand for, in columns; a :class:`Link` is made when somebody asks for one.

    Ids are in any order, unless who makes it says that they ascend.
    """

    __slots__ = ("eans", "ids", "meters", "year")

    def __init__(self, ids: Integers, eans: Names, meters: Names, year: int) -> None:
        self.ids = ids
        self.eans = eans
        self.meters = meters
        self.year = year

    @classmethod
    def made(cls, found: Mapping[int, Link], year: int) -> "Links":
        """Of links one by one, in the order of ids."""
        ids = sorted(found)
        eans, meters = names_of([found[one].ean for one in ids]), names_of([found[one].meter for one in ids])
        return cls(np.array(ids, np.int64), eans, meters, year)

    def with_others(self, others: "Links") -> "Links":
        """These and others of the year, in the order of ids, none twice."""
        ids, first = np.unique(np.concatenate([self.ids, others.ids]), return_index=True)
        eans, meters = chained([self.eans, others.eans]), chained([self.meters, others.meters])
        return Links(ids, eans[first], meters[first], self.year)

    def __len__(self) -> int:
        """How many."""
        return len(self.ids)

    @overload
    def __getitem__(self, row: int) -> Link: ...
    @overload
    def __getitem__(self, row: slice) -> "Links": ...
    def __getitem__(self, row: int | slice) -> "Link | Links":
        """One of them, or some in a row."""
        if isinstance(row, slice):
            return Links(self.ids[row], self.eans[row], self.meters[row], self.year)
        return Link(self.eans[row].decode(), self.meters[row].decode(), self.year)

    def __iter__(self) -> Iterator[Link]:
        """One after the other."""
        for ean, meter in zip(self.eans.tolist(), self.meters.tolist(), strict=True):
            yield Link(ean.decode(), meter.decode(), self.year)

    def __repr__(self) -> str:
        return f"Links({len(self)} of {self.year})"

    def take(self, rows: Integers | Mask) -> "Links":
        """Some of them."""
        return Links(self.ids[rows], self.eans[rows], self.meters[rows], self.year)

    def of(self, ids: Integers) -> "Links":
        """Those of some ids, each of which is here; here they ascend."""
        return self.take(np.searchsorted(self.ids, ids))


class Ids:
    """The ids in one database."""

    __slots__ = ("_engine",)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ids_of(self, connection: Connection, wanted: Sequence[tuple[str, str, int]]) -> dict[Link, int]:
        """The id of each (connection, meter, year), drawn where there is none, as a part of the caller's transaction."""
        links = sorted({Link(*one) for one in wanted})
        found: dict[Link, int] = {}
        for _ in range(MAX_DRAWS):
            found.update(self._known(connection, [one for one in links if one not in found]))
            fresh = [one for one in links if one not in found]
            if not fresh:
                return found
            # Somebody may do the same at this moment, and a number may be taken: what stands there afterwards counts.
            insert_once(connection, reading_ids, [{"id": _draw(), **one._asdict()} for one in fresh])
        raise StateError("no-reading-id", f"{len(links) - len(found)} meters got no id for their readings")

    def of_connection(self, ean: str, years: Iterable[int]) -> dict[Link, int]:
        """Every id of a connection in some years: one a meter and year."""
        query = select(reading_ids).where(reading_ids.c.ean == ean, reading_ids.c.year.in_(sorted(set(years))))
        with reading(self._engine) as connection:
            return {Link(row.ean, row.meter, row.year): row.id for row in connection.execute(query)}

    def known(self, wanted: Iterable[Link]) -> dict[Link, int]:
        """The id of each of these, where there is one."""
        with reading(self._engine) as connection:
            return self._known(connection, list(wanted))

    def links_of(self, ids: Sequence[int]) -> dict[int, Link]:
        """What a few ids stand for, of whatever year; those whose link was ended are not in it."""
        found: dict[int, Link] = {}
        with reading(self._engine) as connection:
            for first in range(0, len(ids), BATCH):
                query = select(reading_ids).where(reading_ids.c.id.in_(ids[first : first + BATCH]))
                found.update((row.id, Link(row.ean, row.meter, row.year)) for row in connection.execute(query))
        return found

    def within(self, ids: Integers, year: int) -> Links:
        """What ids of a year (ascending, none twice) stand for, in the same order; likewise."""
        query = select(reading_ids.c.id, reading_ids.c.ean, reading_ids.c.meter).where(reading_ids.c.year == year)
        with reading(self._engine) as connection:
            if len(ids) > MANY:
                found = _links(connection, [query], year)
            else:
                batches = (ids[first : first + BATCH].tolist() for first in range(0, len(ids), BATCH))
                found = _links(connection, (query.where(reading_ids.c.id.in_(batch)) for batch in batches), year)
        if not len(ids):
            return found
        place = np.minimum(np.searchsorted(ids, found.ids), len(ids) - 1)
        return found.take(ids[place] == found.ids)

    def _known(self, connection: Connection, links: Sequence[Link]) -> dict[Link, int]:
        found: dict[Link, int] = {}
        for year in sorted({one.year for one in links}):
            meters = sorted({one.meter for one in links if one.year == year})
            for first in range(0, len(meters), BATCH):
                query = select(reading_ids).where(
                    reading_ids.c.year == year, reading_ids.c.meter.in_(meters[first : first + BATCH])
                )
                rows = connection.execute(query).all()
                found.update((Link(row.ean, row.meter, row.year), row.id) for row in rows)
        return {one: found[one] for one in links if one in found}


def _links(connection: Connection, queries: Iterable[Select[tuple[int, str, str]]], year: int) -> Links:
    """What queries for id, EAN and meter find, in the order of ids."""
    ids, eans, meters = [np.zeros(0, np.int64)], [names_of(())], [names_of(())]
    for query in queries:
        for page in connection.execution_options(yield_per=PAGE).execute(query).partitions(PAGE):
            numbers, codes, named = zip(*page, strict=True)
            ids.append(np.array(numbers, np.int64))
            eans.append(names_of(codes))
            meters.append(names_of(named))
    every = np.concatenate(ids)
    order = np.argsort(every)
    return Links(every[order], chained(eans)[order], chained(meters)[order], year)


def _draw() -> int:
    return secrets.randbits(ID_BITS) - (1 << (ID_BITS - 1))
